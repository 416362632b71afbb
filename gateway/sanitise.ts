/**
 * Text from an ERP, a file or an error as it may appear on a terminal or in a line of output: one line, nothing that
 * moves a cursor, changes a colour, hides or reorders what is read. What is taken out stays visible as an escape:
 * `\\n`, `\\x1b`, `\\u202e`. A backslash itself is left as it is, so paths stay readable.
 */
export function sanitise(text: string): string {
  return text.replace(UNSAFE, escaped)
}

/**
 * Control characters (ESC and the one-byte CSI of C1 among them), line and paragraph separators, whatever reorders or
 * hides text (bidirectional controls, zero-width characters, the byte order mark, tags) and surrogates without their
 * half. The zero-width joiners go as well: codes and amounts need neither, and they make two different codes look the
 * same. Variation selectors stay: they only choose the form of the sign before them, and Chinese names use them.
 */
const UNSAFE =
  /[[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]]/gv

const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }

function escaped(character: string): string {
  const named = NAMED[character]
  if (named !== undefined) return named
  const code = character.codePointAt(0) ?? 0
  const digits = code.toString(16)
  if (code <= 0xff) return `\\x${digits.padStart(2, '0')}`
  return code <= 0xffff ? `\\u${digits.padStart(4, '0')}` : `\\u{${digits}}`
}
