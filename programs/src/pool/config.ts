import { Result, Schema } from "effect"
import { defaulted, optional, required } from "../config/key.ts"
import * as Value from "../config/value.ts"
import { loggingKeys } from "../logging.ts"

export const PoolConfig = {
  program: "pool",
  schema: Schema.Struct({
    listen: defaulted(Value.hostPort, { description: "Where miners connect.", default: "127.0.0.1:3333" }),
    templateProvider: required(Value.httpUrl, { description: "The template provider.", example: "http://127.0.0.1:1" }),
    authoritySecretKey: optional(
      Value.secret({ metavar: "KEY", expected: "a secret key" }, (s) => Result.succeed(s)),
      { description: "sign certs" }
    ),
    plain: defaulted(Value.toggle, { description: "No Noise", default: false }),
    threads: defaulted(Value.whole("N", 1, 5), { description: "No Noise", default: 1 }),
    ...loggingKeys
  })
}
