/** Every message of the core protocols, in both directions. */
import type { Common, ExtensionsNegotiation, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"

export type AnyMessage =
  | Common.SetupMessage
  | Mining.ToServer
  | Mining.ToClient
  | JobDeclaration.ToServer
  | JobDeclaration.ToClient
  | TemplateDistribution.ToServer
  | TemplateDistribution.ToClient
  | (typeof ExtensionsNegotiation.messages)[number]["Type"]
