/** Why a server's connection ended, for events and log lines. */
import { Cause, Exit, Option } from "effect"

/** `isStopping` says whether the server ends all connections. */
export const endReason = (exit: Exit.Exit<unknown, { readonly message: string }>, isStopping: boolean): string =>
  Exit.match(exit, {
    onSuccess: () => "the connection ended",
    onFailure: (cause) =>
      Option.match(Cause.findErrorOption(cause), {
        onNone: () =>
          Cause.hasDies(cause)
            ? "a defect of the server"
            : isStopping
              ? "the server stops"
              : "the connection was ended",
        onSome: ({ message }) => message
      })
  })
