/** A peer's text as it may stand in a log: what would break or forge a line is replaced. */
export const printable = (text: string): string => text.replace(FORGERY, "\ufffd")

/** Whether nothing has to be replaced. */
export const isPrintable = (text: string): boolean => text.search(FORGERY) < 0

/** Control characters, and the separators of lines and paragraphs. */
const FORGERY = /[\p{Cc}\p{Zl}\p{Zp}]/gu
