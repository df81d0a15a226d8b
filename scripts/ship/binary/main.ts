/** The entry of the single file: the process `sluice`. It needs no compile cache, because all code is in the file. */
import "../../../programs/src/process.ts"
