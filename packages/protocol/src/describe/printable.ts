/**
 * Makes a peer's text safe to show. A peer chooses the bytes of its strings: they could break or forge lines of a log, or
 * control a terminal. (Section 3.5 forbids control characters in codes, but a peer may send them.)
 */

/** For logs and events: replaces characters that would break a line by U+FFFD. */
export const printable = (text: string): string => text.replace(LINE_BREAKING, "\ufffd")

/** Whether `printable` would leave the text unchanged. */
export const isPrintable = (text: string): boolean => text.search(LINE_BREAKING) < 0

/** For terminals and reports: writes invisible characters as escapes, such as `\u{1b}`. */
export const escaped = (text: string): string =>
  text.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)

/** Control characters, and the line and paragraph separators. */
const LINE_BREAKING = /[\p{Cc}\p{Zl}\p{Zp}]/gu

/** The same, and format characters (text direction, joiners) and surrogates. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
