/** The system's code of an error, such as ECONNRESET, or its message. */
export const codeOf = (cause: unknown): string =>
  cause instanceof Error
    ? "code" in cause && typeof cause.code === "string"
      ? cause.code
      : cause.message
    : String(cause)
