/** All messages of the core protocols, both ways. */
import type { ExtensionsNegotiation, JobDeclaration, Mining, TemplateDistribution } from "@sluice/protocol"

export type AnyMessage =
  | Mining.ToServer
  | Mining.ToClient
  | JobDeclaration.ToServer
  | JobDeclaration.ToClient
  | TemplateDistribution.ToServer
  | TemplateDistribution.ToClient
  | (typeof ExtensionsNegotiation.messages)[number]["Type"]
