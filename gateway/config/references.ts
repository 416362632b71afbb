import { type Mistake, nearest, type Place, suggestion } from '../mapping/mistake.ts'
import { type ConfigTree, entriesAt, type Path } from './document.ts'
import { mistakeAtPath } from './issues.ts'

/** What other rooms know and the config refers to. */
export type Knowledge = Readonly<{
  /** Names of the canonical entities. */
  knownEntities: readonly string[]
  /** Names of the message templates; null where nobody says, then they are not checked. */
  knownTemplates: readonly string[] | null
  /** Absolute path of the bundled calendars, a file for each year of each: `CN-2026.csv`. */
  calendarFolder: string
  /** Names of the mappings in these folders and of the built-in ones, for suggestions. */
  knownMappings(folders: readonly string[]): readonly string[]
  /** The entity that a mapping makes, or null where there is no such mapping. Folders are absolute, first wins. */
  mappingEntity(name: string, folders: readonly string[]): string | null
  /** What is wrong with a mapping that is there and makes no entity; in its own file. */
  mappingMistakes(name: string, folders: readonly string[]): readonly Mistake[]
  /** What is wrong with a condition over events of an entity. `offset` counts UTF-16 units of the text. */
  checkCondition(entity: string, text: string): readonly Readonly<{ message: string; offset: number }>[]
}>

/** Says whether a secret can be had, and never what it is. */
export interface SecretCheck {
  /** Why there is no value behind a reference, and what to do; null when there is one. */
  problem(reference: string): string | null
}

export type Findings = Readonly<{ mistakes: readonly Mistake[]; notices: readonly Mistake[] }>

type Report = Readonly<{
  tree: ConfigTree
  mistake(path: Path, message: string, place?: Place): void
  notice(path: Path, message: string): void
  /** Mistakes in other files. */
  foreign(mistakes: readonly Mistake[]): void
}>

/**
 * Everything that one part of the config says about another, or about the language of the house. Works on what is written,
 * whatever else is wrong with it, so that all mistakes come at once; what has the wrong shape was said already.
 */
export function checkReferences(
  tree: ConfigTree,
  knowledge: Knowledge,
  mappingFolders: readonly string[],
): Findings {
  const mistakes: Mistake[] = []
  const notices: Mistake[] = []
  const report: Report = {
    tree,
    mistake: (path, message, place) =>
      void mistakes.push({ ...mistakeAtPath(tree, path, 'value', message), ...place }),
    foreign: (others) => void mistakes.push(...others),
    notice: (path, message) => void notices.push(mistakeAtPath(tree, path, 'value', message)),
  }
  checkCompanies(report)
  const feeds = checkSources(report, knowledge, mappingFolders)
  checkTwins(report, feeds)
  checkPeople(report)
  checkRoutes(report, knowledge, feeds)
  return { mistakes, notices }
}

// ─── companies and sources ──────────────────────────────────────────────────────────────────────

const FROM_RECORD = 'from-record'

function checkCompanies({ tree, mistake }: Report): void {
  if (tree.has(['companies', FROM_RECORD]))
    mistake(['companies', FROM_RECORD], `is a word of sources (company: ${FROM_RECORD}), not a code`)
}

/** A feed whose mapping is known: what it publishes. */
type FeedFound = Readonly<{ path: Path; source: string; system: string; company: string; entity: string }>

function checkSources(
  report: Report,
  knowledge: Knowledge,
  folders: readonly string[],
): readonly FeedFound[] {
  const found: FeedFound[] = []
  for (const [name, source] of entriesAt(report.tree, ['sources'])) {
    const path = ['sources', name]
    const company = textAt(source, 'company')
    if (company !== null && company !== FROM_RECORD) checkCompany(report, [...path, 'company'], company)
    if (company === FROM_RECORD && !has(source, 'zone'))
      report.mistake([...path, 'zone'], `is missing; with company: ${FROM_RECORD} no company says it`)
    for (const [feedName, feed] of entriesAt(report.tree, [...path, 'feeds'])) {
      const mapping = textAt(feed, 'mapping')
      if (mapping === null) continue
      const at = [...path, 'feeds', feedName]
      const entity = knowledge.mappingEntity(mapping, folders)
      if (entity === null) {
        reportMapping(report, [...at, 'mapping'], mapping, knowledge, folders)
        continue
      }
      found.push({
        path: at,
        source: name,
        system: textAt(source, 'system') ?? '',
        company: company ?? '',
        entity,
      })
    }
  }
  return found
}

function reportMapping(
  report: Report,
  path: Path,
  mapping: string,
  knowledge: Knowledge,
  folders: readonly string[],
): void {
  const known = knowledge.knownMappings(folders)
  if (!known.includes(mapping)) {
    report.mistake(path, `there is no mapping "${mapping}"${suggestion(mapping, known)}`)
    return
  }
  report.mistake(path, `the mapping "${mapping}" cannot be used: its file has mistakes`)
  report.foreign(knowledge.mappingMistakes(mapping, folders))
}

function checkCompany(report: Report, path: Path, company: string): void {
  checkName(report, path, company, ['companies'], 'company')
}

/** Two lanes under the same record keys stop each other as soon as they meet. */
function checkTwins(report: Report, feeds: readonly FeedFound[]): void {
  for (const [index, feed] of feeds.entries()) {
    const twin = feeds.slice(0, index).find((earlier) => {
      if (earlier.system !== feed.system || earlier.entity !== feed.entity) return false
      return earlier.company === feed.company || [earlier.company, feed.company].includes(FROM_RECORD)
    })
    if (twin === undefined) continue
    const other = `${twin.path[1]?.toString()}.${twin.path[3]?.toString()}`
    report.notice(
      [...feed.path, 'mapping'],
      `publishes ${feed.entity} of ${feed.system} as ${other} does; a record that both hold stops one of them. ` +
        'Let each feed read records of its own, or give one source another system',
    )
  }
}

// ─── people and roles ───────────────────────────────────────────────────────────────────────────

function checkPeople(report: Report): void {
  for (const [name, person] of entriesAt(report.tree, ['people'])) {
    const path = ['people', name]
    const company = textAt(person, 'company')
    if (company !== null) checkCompany(report, [...path, 'company'], company)
    else if (!has(person, 'zone'))
      report.mistake([...path, 'zone'], 'is missing; a person without a company needs a time zone')
  }
  for (const [name, lines] of entriesAt(report.tree, ['roles'])) {
    for (const [index, line] of list(lines).entries()) checkRoleLine(report, ['roles', name, index], line)
    const open = list(lines).findIndex((line) => !has(line, 'of'))
    if (open >= 0 && open < list(lines).length - 1)
      report.notice(['roles', name, open + 1], 'is never used: the line before it fits every event')
  }
}

function checkRoleLine(report: Report, path: Path, line: unknown): void {
  const company = textAt(member(line, 'of'), 'company')
  if (company !== null) checkCompany(report, [...path, 'of', 'company'], company)
  for (const [index, person] of list(member(line, 'people')).entries()) {
    if (typeof person === 'string')
      checkName(report, [...path, 'people', index], person, ['people'], 'person')
  }
}

// ─── routes ─────────────────────────────────────────────────────────────────────────────────────

function checkRoutes(report: Report, knowledge: Knowledge, feeds: readonly FeedFound[]): void {
  for (const [name, route] of entriesAt(report.tree, ['routes'])) {
    const path = ['routes', name]
    checkEvents(report, path, route, knowledge, feeds)
    for (const [index, source] of list(member(route, 'from')).entries()) {
      if (typeof source === 'string')
        checkName(report, [...path, 'from', index], source, ['sources'], 'source')
    }
    for (const [index, to] of list(member(route, 'to')).entries()) {
      checkDestination(report, [...path, 'to', index], to)
    }
    const template = textAt(route, 'template')
    const { knownTemplates } = knowledge
    if (template !== null && knownTemplates !== null && !knownTemplates.includes(template)) {
      const near = suggestion(template, knownTemplates)
      report.mistake([...path, 'template'], `there is no template "${template}"${near}`)
    }
  }
}

function checkEvents(
  report: Report,
  path: Path,
  route: unknown,
  knowledge: Knowledge,
  feeds: readonly FeedFound[],
): void {
  const on = textAt(route, 'on')
  if (on === null) return
  const [written = ''] = on.split('.')
  const isKnown = knowledge.knownEntities.includes(written)
  if (!isKnown) {
    const near = suggestion(written, knowledge.knownEntities)
    report.mistake([...path, 'on'], `there is no entity "${written}"${near}`)
  }
  // Where one is meant beyond doubt, the condition is checked against it, so that its mistakes come along.
  const entity = isKnown ? written : nearest(written, knowledge.knownEntities)
  if (entity === null) return
  const from = list(member(route, 'from'))
  if (!feeds.some((feed) => feed.entity === entity && (from.length === 0 || from.includes(feed.source))))
    report.notice([...path, 'on'], `nobody is told: no feed of these sources publishes ${entity}`)
  const when = textAt(route, 'when')
  if (when === null) return
  for (const problem of knowledge.checkCondition(entity, when)) {
    const place = report.tree.placeInText([...path, 'when'], problem.offset)
    report.mistake([...path, 'when'], problem.message, place)
  }
}

function checkDestination(report: Report, path: Path, to: unknown): void {
  const role = textAt(to, 'role')
  const person = textAt(to, 'person')
  const group = textAt(to, 'group')
  if (role !== null) checkName(report, [...path, 'role'], role, ['roles'], 'role')
  if (person !== null) checkName(report, [...path, 'person'], person, ['people'], 'person')
  if (group !== null) checkName(report, [...path, 'group'], group, ['dingtalk', 'groups'], 'group')
  const isConversation =
    group !== null && typeof report.tree.at(['dingtalk', 'groups', group, 'conversation']) === 'string'
  if ((role !== null || person !== null || isConversation) && !report.tree.has(['dingtalk', 'app']))
    report.mistake(path, 'needs dingtalk.app: only a webhook works without one')
}

// ─── looking into what is written ───────────────────────────────────────────────────────────────

function checkName(report: Report, path: Path, name: string, under: Path, what: string): void {
  if (report.tree.has([...under, name])) return
  const known = entriesAt(report.tree, under).map(([key]) => key)
  const where =
    known.length === 0 ? `; nothing is declared under ${under.join('.')}` : suggestion(name, known)
  report.mistake(path, `there is no ${what} "${name}"${where}`)
}

function member(value: unknown, key: string): unknown {
  return has(value, key) ? Reflect.get(value, key) : undefined
}

function has(value: unknown, key: string): value is object {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function textAt(value: unknown, key: string): string | null {
  const found = member(value, key)
  return typeof found === 'string' ? found : null
}
