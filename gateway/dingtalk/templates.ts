import { parseDocument } from 'yaml'
import { z } from 'zod'
import type { Files } from '../ports.ts'
import { LANGUAGES, type Language } from './figures.ts'

/** Everything that a message is made of besides the event: templates by name and words by list, code and language. */
export type Templates = Readonly<{
  named: ReadonlyMap<string, Template>
  words: ReadonlyMap<string, ReadonlyMap<string, Readonly<Record<Language, string>>>>
}>

export type Template = Readonly<{
  name: string
  languages: Readonly<Record<Language, Readonly<{ title: readonly Piece[]; text: readonly Piece[] }>>>
}>

/** A piece of a template: text as it stands, or a placeholder `{path|format}`. */
export type Piece = Readonly<
  { kind: 'text'; text: string } | { kind: 'value'; path: readonly string[]; format: Format }
>

const FORMATS = ['text', 'amount', 'quantity', 'date', 'status'] as const
export type Format = (typeof FORMATS)[number]

/**
 * Reads every `*.yaml` of a templates folder and of its `words` folder. Throws with every mistake of every file, one
 * a line, each with file and place.
 */
export function loadTemplates(files: Files, folder: string): Templates {
  const faults: string[] = []
  const named = new Map<string, Template>()
  const words = new Map<string, ReadonlyMap<string, Readonly<Record<Language, string>>>>()
  for (const [name, path] of yamlFiles(files, folder)) {
    const template = read(files, path, TemplateFile, faults)
    if (template !== null) named.set(name, compile(name, path, template, faults))
  }
  for (const [name, path] of yamlFiles(files, `${folder}/words`)) {
    const list = read(files, path, WordsFile, faults)
    if (list !== null) words.set(name, new Map(Object.entries(list.words)))
  }
  if (faults.length > 0) throw new Error(`The message templates cannot be used:\n${faults.join('\n')}`)
  return { named, words }
}

const Languages = <Shape extends z.ZodType>(shape: Shape) =>
  z.strictObject({ vi: shape, 'zh-CN': shape, 'zh-HK': shape, en: shape })

const TemplateFile = z.strictObject({
  summary: z.string().min(1).describe('What the message says, for who reads the list of templates.'),
  languages: Languages(
    z.strictObject({
      title: z
        .string()
        .trim()
        .min(1)
        .max(200)
        .describe('One line; what the list of chats and the lock screen show.'),
      text: z.string().trim().min(1).max(4_000).describe('Markdown with placeholders {path|format}.'),
    }),
  ),
})

const WordsFile = z.strictObject({
  summary: z.string().min(1),
  words: z.record(z.string(), Languages(z.string().min(1))),
})

const FILE_BYTES_MAX = 262_144

function yamlFiles(files: Files, folder: string): readonly (readonly [name: string, path: string])[] {
  return (files.list(folder) ?? [])
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => [file.slice(0, -'.yaml'.length), `${folder}/${file}`] as const)
}

function read<Shape extends z.ZodType>(
  files: Files,
  path: string,
  shape: Shape,
  faults: string[],
): z.output<Shape> | null {
  const text = files.read(path) ?? ''
  if (text.length > FILE_BYTES_MAX) {
    faults.push(`${path}: is larger than ${FILE_BYTES_MAX} bytes`)
    return null
  }
  const document = parseDocument(text, { schema: 'failsafe', stringKeys: true })
  for (const error of document.errors) {
    faults.push(`${path}:${error.linePos?.[0].line ?? 1}: ${error.message.split('\n')[0]}`)
  }
  if (document.errors.length > 0) return null
  const parsed = shape.safeParse(document.toJS({ maxAliasCount: 0 }))
  if (parsed.success) return parsed.data
  for (const issue of parsed.error.issues) faults.push(`${path}: ${issue.path.join('.')}: ${issue.message}`)
  return null
}

function compile(
  name: string,
  path: string,
  file: z.output<typeof TemplateFile>,
  faults: string[],
): Template {
  const of = (language: Language) => {
    const { title, text } = file.languages[language]
    const fault = (where: string) => (message: string) =>
      void faults.push(`${path}: languages.${language}.${where}: ${message}`)
    return { title: pieces(title, fault('title')), text: pieces(text, fault('text')) }
  }
  const [vi, cn, hk, en] = LANGUAGES
  return { name, languages: { [vi]: of(vi), [cn]: of(cn), [hk]: of(hk), [en]: of(en) } }
}

/** One pass: what a placeholder brings in is never looked at again. `{{` is a brace. */
function pieces(source: string, fault: (message: string) => void): readonly Piece[] {
  const found: Piece[] = []
  const pattern = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g
  let from = 0
  const text = (piece: string) => {
    if (piece !== '') found.push({ kind: 'text', text: piece })
  }
  for (const match of source.matchAll(pattern)) {
    text(source.slice(from, match.index))
    from = match.index + match[0].length
    if (match[0] === '{{' || match[0] === '}}') text(match[0].charAt(0))
    else if (match[1] === undefined) fault(`a "${match[0]}" stands alone; write "${match[0]}${match[0]}"`)
    else found.push(placeholder(match[1], fault))
  }
  text(source.slice(from))
  return found
}

function placeholder(source: string, fault: (message: string) => void): Piece {
  const [path = '', named = 'text', ...rest] = source.split('|').map((part) => part.trim())
  const format = FORMATS.find((known) => known === named)
  if (rest.length > 0) fault(`"{${source}}" has more than one format`)
  if (format === undefined) fault(`"{${source}}" has no known format; there are ${FORMATS.join(', ')}`)
  if (!/^(data|event|company)(\.[A-Za-z][A-Za-z0-9]*)+$/.test(path)) {
    fault(`"{${source}}" is no path; one begins with data., event. or company.`)
  }
  return { kind: 'value', path: path.split('.'), format: format ?? 'text' }
}
