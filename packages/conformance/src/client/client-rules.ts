/** The rules that bind clients, in the order in which they are tried where they have a session. */
import type { ClientRule } from "./kit.ts"
import { clientDeclarationRules } from "./declaration/declaration-rules.ts"
import { clientChannelRules } from "./mining/channel-rules.ts"
import { clientJobRules } from "./mining/job-rules.ts"
import { clientSetupRules } from "./setup-rules.ts"
import { clientTemplateRules } from "./template/template-rules.ts"

export const clientRules: ReadonlyArray<ClientRule> = [
  ...clientJobRules,
  ...clientChannelRules,
  ...clientDeclarationRules,
  ...clientTemplateRules,
  ...clientSetupRules
]
