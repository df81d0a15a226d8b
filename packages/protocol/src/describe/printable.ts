/**
 * A peer's text as it may be shown. Strings of the wire are bytes that a peer chose: in a log they could break or forge a
 * line, on a terminal they could steer it or show one name as another (section 3.5 forbids control characters in codes,
 * and peers send them all the same).
 */

/** For events, names and reasons: each character that cannot be seen is replaced by U+FFFD. */
export const printable = (text: string): string => text.replace(UNSEEN, "\ufffd")

/** Whether `printable` has nothing to replace. */
export const isPrintable = (text: string): boolean => text.search(UNSEEN) < 0

/**
 * For logs, terminals and reports: each character that cannot be seen is written out as JSON does, as in `\u001b`. JSON stays
 * JSON of the same value, as long as it is on one line.
 */
export const escaped = (text: string): string =>
  text.replace(UNSEEN, (character) => {
    let written = ""
    for (let i = 0; i < character.length; i++) {
      written += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`
    }
    return written
  })

/**
 * Control characters, format characters (those that change the direction of text or join it, and the invisible ones), the
 * separators of lines and paragraphs, and lone surrogates, which stand for bytes that are not UTF-8.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu
