import { sanitise } from './sanitise.ts'

/** Takes secrets out of text. One per process: whoever reads a secret adds it, whoever prints asks first. */
export interface Redactor {
  /** From now on no text that passes shows this value. Values of fewer than 4 characters are not looked for. */
  add(secret: string): void
  /** The text with every known secret blanked, however it was written: plain, in JSON, in a URL, in base64. */
  redact(text: string): string
}

export const REDACTED = '[secret]'

/** Shorter ones would be found in the middle of ordinary words, and blanking them would tell what they are. */
const SECRET_CHARACTERS_MIN = 4

/** Lines of a key file that are long enough to be part of the key, and not of its frame. */
const LINE_CHARACTERS_MIN = 16

export function createRedactor(known: Iterable<string> = []): Redactor {
  const secrets = new Set<string>()
  const forms = new Set<string>()
  let pattern: RegExp | null = null
  const add = (secret: string) => {
    // The same ones are read again and again, for every connection.
    if (secrets.has(secret)) return
    secrets.add(secret)
    for (const form of writtenForms(secret)) forms.add(form)
    pattern = forms.size === 0 ? null : patternOf(forms)
  }
  for (const secret of known) add(secret)
  return { add, redact: (text) => (pattern === null ? text : text.replace(pattern, REDACTED)) }
}

/** A value of plain JSON with all its texts redacted, however deep they are. */
export function redactAll<Value>(redactor: Redactor, value: Value): Value {
  if (typeof value === 'string') return redactor.redact(value) as Value
  if (Array.isArray(value)) return value.map((inner) => redactAll(redactor, inner)) as Value
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).map(([name, inner]) => [name, redactAll(redactor, inner)] as const)
  return Object.fromEntries(entries) as Value
}

function patternOf(forms: ReadonlySet<string>): RegExp {
  // The longest first: a secret that another one begins with would leave the rest of the longer one to be read.
  const longestFirst = [...forms].sort((left, right) => right.length - left.length)
  return new RegExp(longestFirst.map(escapePattern).join('|'), 'g')
}

function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
}

/** The ways in which a value turns up in messages of drivers, in URLs, headers and dumps. */
function writtenForms(secret: string): readonly string[] {
  const lines = secret.split(/\r?\n/).filter((line) => isInner(line))
  return [secret, ...lines, ...tokensOf(secret)].flatMap((value) => encodings(value)).filter(isLongEnough)
}

/** The address of a robot is a secret for the token in its query, which is also met alone. */
function tokensOf(secret: string): readonly string[] {
  if (!URL.canParse(secret)) return []
  return [...new URL(secret).searchParams.values()].filter((value) => value.length >= LINE_CHARACTERS_MIN)
}

/** A PEM frame (`-----BEGIN …`) is no secret, and every key file has the same. */
function isInner(line: string): boolean {
  return line.length >= LINE_CHARACTERS_MIN && !line.startsWith('-----')
}

function isLongEnough(form: string): boolean {
  return form.length >= SECRET_CHARACTERS_MIN
}

/** As text up to twice over, as JSON inside JSON or JSON inside a URL, and as bytes. */
function encodings(value: string): readonly string[] {
  if (!isLongEnough(value)) return []
  const bytes = Buffer.from(value)
  const hex = bytes.toString('hex')
  return [
    ...asText(value).flatMap(asText),
    sanitise(value),
    bytes.toString('base64'),
    bytes.toString('base64url'),
    hex,
    hex.toUpperCase(),
    ...insideBase64(bytes),
  ]
}

function asText(value: string): readonly string[] {
  const json = JSON.stringify(value).slice(1, -1)
  // A lone surrogate has no URL form; it then has no such form to blank either.
  if (!value.isWellFormed()) return [value, json]
  const urls = [encodeURIComponent(value), new URLSearchParams([['v', value]]).toString().slice(2)]
  return [value, json, ...urls, ...urls.map((url) => url.replace(/%../g, (code) => code.toLowerCase()))]
}

/**
 * The value inside a longer base64 text (`user:password` of HTTP basic authentication): what does not depend on the
 * neighbours, for each of the three places that its first byte may have in a group. Long secrets only, as what is
 * left of a short one is too little to be told from ordinary text.
 */
function insideBase64(bytes: Buffer): readonly string[] {
  if (bytes.length < 8) return []
  return [0, 1, 2].flatMap((shift) => {
    const padded = Buffer.concat([Buffer.alloc(shift), bytes])
    const whole = Math.floor((padded.length * 8) / 6)
    const from = Math.ceil((shift * 8) / 6)
    return [padded.toString('base64').slice(from, whole), padded.toString('base64url').slice(from, whole)]
  })
}
