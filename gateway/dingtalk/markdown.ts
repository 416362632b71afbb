/**
 * An ERP value inside DingTalk markdown: it shows as the text that it is and can be nothing else. No link, picture,
 * heading, list, emphasis, html, mention or line break comes out of it, in CommonMark and in renderers that know no
 * backslash escapes.
 */
export function escapeMarkdown(value: string): string {
  const inline = plainText(value)
    .replace(/[\\`*_[\]()!#|~]/g, '\\$&')
    .replace(/[&<>]/g, (character) => ENTITIES[character] ?? '')
  return inline.replace(/^([-+=])/, '\\$1').replace(/^(\d+)\.(?=\s|$)/, '$1\\.')
}

/**
 * An ERP value where no markdown is read (a title, a line of the logger). Control, direction and invisible characters
 * go, white space becomes one space, `@` cannot mention anybody, an address is no link, and what is longer than
 * `VALUE_CHARACTERS_MAX` is cut with a mark.
 */
export function plainText(value: string): string {
  const clean = value
    .slice(0, VALUE_UNITS_MAX)
    .toWellFormed()
    .replace(/[\s\u0085\u2028\u2029]+/g, ' ')
    .replace(HIDDEN, '')
    .trim()
  return cutCharacters(clean, VALUE_CHARACTERS_MAX)
    .replace(/@/g, `@${BREAK}`)
    .replace(/:(?=\/\/)/g, `:${BREAK}`)
    .replace(/\b(javascript|data|vbscript|mailto|tel|dingtalk):/gi, `$1${BREAK}:`)
    .replace(/\b(www)\./gi, `$1${BREAK}.`)
}

/** The longest an ERP value may be in a message, in code points. */
export const VALUE_CHARACTERS_MAX = 300

/** Stands where something was cut off. */
export const CUT_MARK = '…'

/**
 * The longest beginning of a markdown text, at a character border and with a mark at its end, for which `fits` holds.
 * No escape is cut in two.
 */
export function cutToFit(text: string, fits: (text: string) => boolean): string {
  if (fits(text)) return text
  let low = 0
  let high = text.length
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (fits(beginning(text, middle) + CUT_MARK)) low = middle
    else high = middle - 1
  }
  return beginning(text, low) + CUT_MARK
}

// U+200B: no mention and no address goes across it, and nobody sees it.
const BREAK = '\u200B'

// A bound on the work before anything is looked at; a value of 20 kB is cut long before.
const VALUE_UNITS_MAX = 4_000

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' }

// Controls, direction marks and overrides, zero-width and other invisible characters, language tags. Variation
// selectors stay: Chinese names use them, and they only choose the form of the sign before them.
const HIDDEN =
  /[[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]--[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]]/gv

function cutCharacters(text: string, max: number): string {
  if (text.length <= max) return text
  const characters = [...text]
  return characters.length <= max ? text : characters.slice(0, max).join('') + CUT_MARK
}

function beginning(text: string, length: number): string {
  const cut = text.slice(0, length)
  const whole = /[\uD800-\uDBFF]$/.test(cut) ? cut.slice(0, -1) : cut
  const odd = /(?:^|[^\\])(?:\\\\)*\\$/.test(whole) ? whole.slice(0, -1) : whole
  return odd.replace(/&[a-z]{0,3}$/, '')
}
