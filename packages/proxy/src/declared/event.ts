/** What the machine of own jobs wants its shell to do, beside what upstreams do. */
import type { JobDeclaration, TemplateDistribution } from "@sluice/protocol"
import type { CoinbaseConstraints } from "@sluice/template-provider"
import type { DeclarationFault } from "@sluice/job-declaration"

export type OwnEvent =
  /** A block for the template provider. `isPushed` says that the declarator gets it too. */
  | {
      readonly _tag: "Solution"
      readonly solution: TemplateDistribution.SubmitSolution
      readonly isPushed: boolean
    }
  | { readonly _tag: "Constrain"; readonly constraints: CoinbaseConstraints }
  | { readonly _tag: "NeedTransactions"; readonly template: TemplateDistribution.NewTemplate }
  | { readonly _tag: "Unusable"; readonly templateId: bigint; readonly reason: string }
  /** Messages for the declarator of a pool. */
  | {
      readonly _tag: "SendDeclarator"
      readonly index: number
      readonly messages: ReadonlyArray<JobDeclaration.ToServer>
    }
  /** The declarator of a pool cannot be used: close the connection. */
  | { readonly _tag: "DeclaratorFailed"; readonly index: number; readonly fault: DeclarationFault }
