/** The reasons for which a client of Job Declaration leaves a server. */
import { Schema } from "effect"

/** A server of Job Declaration cannot be used. The message says what was expected and what came. */
export class DeclarationFault extends Schema.TaggedError<DeclarationFault>("sluice/job-declaration/DeclarationFault")(
  "DeclarationFault",
  {
    reason: Schema.Literals([
      /** It broke a rule of the specification. */
      "violation",
      /** It allocated no token in time (6.2). */
      "no-token",
      /** It did not answer DeclareMiningJob in time. */
      "no-answer",
      /** The outputs of its token cannot be in a coinbase, or a reward on the first one would be lost. */
      "outputs",
      "too-many-messages",
      "slow-reader",
      /** The connection ended. */
      "disconnected",
      /** It asked the client to connect to another server (3.6.5). */
      "reconnect"
    ]),
    message: Schema.String
  }
) {}
