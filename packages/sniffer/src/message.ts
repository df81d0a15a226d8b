/** All messages of the core protocols, both ways. */
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
