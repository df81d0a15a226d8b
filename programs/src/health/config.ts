/** The configuration of `sluice health`. */
import { Schema } from "effect"
import { defaulted, optional } from "../config/key.ts"
import { httpUrl, whole } from "../config/value.ts"
import { loggingKeys } from "../output/logging.ts"

export const HealthConfig = {
  program: "health",
  schema: Schema.Struct({
    url: optional(httpUrl, {
      description:
        "What is asked. Without it, /health/ready at the http-listen that an environment variable gives a program, such as SLUICE_POOL__HTTP_LISTEN. Without either there is nothing to ask.",
      example: "http://127.0.0.1:8080/health/ready"
    }),
    timeout: defaulted(whole("SECONDS", 1, 60), { description: "How long an answer may take.", default: 5 }),
    ...loggingKeys
  })
}
