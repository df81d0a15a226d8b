/** Checks for supervisors, such as those of containers. They need no token and tell nothing else. */
import { Schema } from "effect"

export const Live = Schema.Struct({ live: Schema.Literal(true) })
export const Ready = Schema.Struct({ ready: Schema.Literal(true) })
