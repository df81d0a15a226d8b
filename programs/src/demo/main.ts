import { Effect } from "effect"
import { program } from "../program.ts"
import { DemoConfig } from "./config.ts"
export const demo = program({ ...DemoConfig, description: "Pool", run: () => Effect.void })
