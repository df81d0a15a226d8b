import { Effect } from "effect"
import { program } from "../program.ts"
import { PoolConfig } from "./config.ts"
export const pool = program({ ...PoolConfig, description: "Pool", run: () => Effect.void })
