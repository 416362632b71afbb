import type { Json } from '../../adapters/contract.ts'
import type { Event } from '../event.ts'
import { formatAmount, formatDate, formatQuantity, type Language } from './figures.ts'
import { escapeMarkdown, plainText } from './markdown.ts'
import type { Format, Piece, Template, Templates } from './templates.ts'

/** What goes out: a plain title and markdown text, before the size limits of a channel. */
export type Message = Readonly<{ title: string; text: string }>

/** A message and the placeholders to which the event had no value; those show as a dash. */
export type Rendered = Readonly<{ message: Message; missing: readonly string[] }>

/** Who reads it: the language, and the zone in which instants are shown. */
export type Reader = Readonly<{ language: Language; zone: string }>

/** What templates may speak of besides the event itself. */
export type About = Readonly<{
  event: Event
  action: string
  company: Readonly<{ code: string; name: string }>
}>

/** Renders a template in one pass: a value is escaped for where it stands, and never read as a template again. */
export function renderMessage(
  template: Template,
  words: Templates['words'],
  about: About,
  reader: Reader,
): Rendered {
  const missing = new Set<string>()
  const root: Json = {
    data: about.event.data,
    company: about.company,
    event: {
      subject: about.event.subject,
      time: about.event.time,
      type: about.event.type,
      source: about.event.source,
      action: about.action,
      entity: about.event.type.split('.')[1] ?? '',
    },
  }
  const fill = (pieces: readonly Piece[], guard: (value: string) => string) =>
    pieces
      .map((piece) => {
        if (piece.kind === 'text') return piece.text
        const value = find(root, piece.path)
        const shown = value === null ? null : show(value, piece.format, words, reader)
        if (shown !== null && shown !== '') return guard(shown)
        missing.add(piece.path.join('.'))
        return NOTHING
      })
      .join('')
  const { title, text } = template.languages[reader.language]
  const message = { title: fill(title, plainText), text: fill(text, escapeMarkdown) }
  return { message, missing: [...missing] }
}

const NOTHING = '—'

function find(root: Json, path: readonly string[]): Json {
  let value = root
  for (const name of path) {
    const field = isObject(value) && Object.hasOwn(value, name) ? value[name] : undefined
    if (field === undefined) return null
    value = field
  }
  return value
}

function isObject(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: Json, format: Format, words: Templates['words'], reader: Reader): string | null {
  const word = (list: string, code: string) => words.get(list)?.get(code)?.[reader.language] ?? code
  switch (format) {
    case 'amount':
      return formatAmount(value, reader.language)
    case 'quantity':
      return formatQuantity(value, reader.language, (code) => word('units', code))
    case 'date':
      return formatDate(value, reader.language, reader.zone)
    case 'status': {
      const code = isObject(value) ? value['code'] : value
      return typeof code === 'string' ? word('statuses', code) : null
    }
    case 'text':
      return text(value)
  }
}

/** A code with its name is written as both; another object has no text. */
function text(value: Json): string | null {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (!isObject(value)) return null
  const { code, name } = value
  if (typeof code !== 'string') return null
  return typeof name === 'string' && name !== '' ? `${code} ${name}` : code
}
