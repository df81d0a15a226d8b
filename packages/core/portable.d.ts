// AssemblyScript's number types as TypeScript sees them. asc has them built in; they are names for `number` here, so
// that the files of this package compile unchanged under both.
declare type u8 = number
declare type i32 = number
declare type f64 = number
declare type bool = boolean
