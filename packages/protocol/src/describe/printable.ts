/**
 * A peer's text as it may be shown. Strings of the wire are bytes that a peer chose: in a log they could break or forge a
 * line, on a terminal they could steer it (section 3.5 forbids control characters in codes, and peers send them all the
 * same).
 */

/** For logs and events: what would break a line is replaced by U+FFFD. */
export const printable = (text: string): string => text.replace(LINE_BREAKING, "\ufffd")

/** Whether `printable` has nothing to replace. */
export const isPrintable = (text: string): boolean => text.search(LINE_BREAKING) < 0

/** For terminals and reports: what cannot be seen is written out, as in `\u{1b}`. */
export const escaped = (text: string): string =>
  text.replace(UNSEEN, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)

/** Control characters, and the separators of lines and paragraphs. */
const LINE_BREAKING = /[\p{Cc}\p{Zl}\p{Zp}]/gu

/** The same, with what changes the direction of text, joins it, or is half a character. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
