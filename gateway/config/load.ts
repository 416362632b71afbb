import { isAbsolute } from 'node:path'
import { type Mistake, mistakeText } from '../mapping/mistake.ts'
import type { Files } from '../ports.ts'
import { type CalendarSettings, readCalendars } from './calendars.ts'
import { type ConfigTree, entriesAt, readConfigTree } from './document.ts'
import { effectiveConfig, folderOf, mappingFolders } from './effective.ts'
import { checkFeeds } from './feeds.ts'
import { checkShape, type Shaped } from './issues.ts'
import { configJsonSchema } from './json-schema.ts'
import type { Config } from './model.ts'
import { checkReferences, type Knowledge, type SecretCheck } from './references.ts'
import {
  type ConfigAdapter,
  type ConfigInput,
  calendarSchema,
  configSchema,
  foreignSourceSchema,
} from './schema.ts'
import { checkSecrets } from './secrets.ts'

export type LoadOptions = Readonly<{
  /** A YAML file, or a folder whose `*.yaml` are read as one; absolute. */
  path: string
  files: Files
  secrets: SecretCheck
  /** Whether the secrets must be there. False where the config is only looked at: on another machine, in a build. */
  environmentCheck: boolean
  adapters: readonly ConfigAdapter[]
  knowledge: Knowledge
}>

/** What a file without mistakes gives. Notices are for a person to read; nothing depends on them. */
export type Loaded = Readonly<{
  config: Config
  notices: readonly Mistake[]
  /** What is written, as text, for `explainConfig`. */
  written: Readonly<Record<string, unknown>>
  /** Where a setting stands, for what turns out to be wrong with it only later. */
  place: ConfigTree['place']
}>

/**
 * Reads and checks a config: all mistakes at once, each with its place, in the order of the file. Nothing else is
 * opened: no network, no database; secrets are only looked for.
 */
export function loadConfig(options: LoadOptions): Loaded | Readonly<{ mistakes: readonly Mistake[] }> {
  const { path, files, adapters, knowledge } = options
  if (!isAbsolute(path)) throw new Error(`The path of a config must be absolute, not ${path}.`)
  const { tree, mistakes } = readConfigTree(path, files)
  if (tree === null) return { mistakes: inOrder(mistakes) }

  const folder = folderOf(path, files.list(path) !== null)
  const shaped = checkFile(tree, adapters)
  const findings = checkReferences(tree, knowledge, mappingFolders(writtenFolders(tree), folder))
  const secrets = options.environmentCheck ? options.secrets : null
  const schema = configJsonSchema(adapters)
  const secretMistakes = checkSecrets(tree, schema, secrets)
  const folders = { config: folder, bundled: knowledge.calendarFolder }
  const { calendars, mistakes: calendarMistakes } = readCalendars(
    tree,
    calendarSettings(tree),
    files,
    folders,
  )
  const all = withoutEchoes([
    mistakes,
    shaped.mistakes,
    [...findings.mistakes, ...calendarMistakes, ...checkFeeds(tree, adapters), ...secretMistakes],
  ])
  if (shaped.output === null || all.length > 0) return { mistakes: inOrder(all) }
  return {
    config: effectiveConfig(shaped.output, folder, schema, calendars),
    notices: inOrder(findings.notices),
    written: tree.value,
    place: tree.place,
  }
}

/** The whole file by its schema, and what can be said of sources whose kind is not known. */
function checkFile(tree: ConfigTree, adapters: readonly ConfigAdapter[]): Shaped<ConfigInput> {
  const { output, mistakes } = checkShape(configSchema(adapters), tree)
  const kinds = adapters.map((adapter) => adapter.kind)
  const foreign = entriesAt(tree, ['sources'])
    .filter(([name]) => !kinds.includes(String(tree.at(['sources', name, 'kind']))))
    .flatMap(([name, value]) =>
      typeof value === 'object' && value !== null
        ? checkShape(foreignSourceSchema(), tree, { path: ['sources', name], value }).mistakes
        : [],
    )
  // The schema is put together from adapters at run time, so its output has no type that the compiler could know.
  return { output: output as ConfigInput | null, mistakes: [...mistakes, ...foreign] }
}

/** The calendars whose own form is right, whatever else is wrong with the file. */
function calendarSettings(tree: ConfigTree): CalendarSettings {
  return Object.fromEntries(
    entriesAt(tree, ['calendars']).flatMap(([name, written]) => {
      const parsed = calendarSchema.safeParse(written)
      return parsed.success ? [[name, parsed.data]] : []
    }),
  )
}

function writtenFolders(tree: ConfigTree): readonly string[] {
  const folders = tree.at(['mappings'])
  return Array.isArray(folders) ? folders.filter((folder) => typeof folder === 'string') : []
}

/**
 * A later stage says nothing about a field that an earlier one has spoken of: it would be the same mistake again. Nor
 * is anything said twice, as of a mapping that two feeds use.
 */
function withoutEchoes(stages: readonly (readonly Mistake[])[]): readonly Mistake[] {
  const said = new Set<string>()
  const spokenOf = new Set<string>()
  return stages.flatMap((stage) => {
    const fresh = stage.filter((mistake) => {
      const text = mistakeText(mistake)
      const isNew = !said.has(text) && !spokenOf.has(fieldOf(mistake))
      said.add(text)
      return isNew
    })
    for (const mistake of stage) if (mistake.field !== '') spokenOf.add(fieldOf(mistake))
    return fresh
  })
}

function fieldOf({ file, field }: Mistake): string {
  return `${file}\n${field}`
}

/** Nobody mends more than a screenful of them at once. */
export const MISTAKES_MAX = 200

function inOrder(mistakes: readonly Mistake[]): readonly Mistake[] {
  const sorted = [...mistakes].sort(
    (left, right) =>
      compareText(left.file, right.file) || left.line - right.line || left.column - right.column,
  )
  const next = sorted[MISTAKES_MAX]
  if (next === undefined) return sorted
  const rest = `and ${sorted.length - MISTAKES_MAX} more from here on; mend those above first`
  return [...sorted.slice(0, MISTAKES_MAX), { ...next, field: '', message: rest }]
}

function compareText(left: string, right: string): number {
  if (left === right) return 0
  return left < right ? -1 : 1
}
