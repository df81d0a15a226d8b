/** Every rule of the kit. */
import { channelRules } from "./channel-rules.ts"
import { customJobRules } from "./custom-job-rules.ts"
import { declarationRules } from "./declaration-rules.ts"
import { jobRules } from "./job-rules.ts"
import type { Rule } from "../rule.ts"
import { setupRules } from "./setup-rules.ts"
import { shareRules } from "./share-rules.ts"
import { templateRules } from "./template-rules.ts"
import { wireRules } from "./wire-rules.ts"

/** The rules that bind servers; the kit checks them as a client. */
export const serverRules: ReadonlyArray<Rule> = [
  ...setupRules,
  ...wireRules,
  ...channelRules,
  ...jobRules,
  ...shareRules,
  ...customJobRules,
  ...declarationRules,
  ...templateRules
]
