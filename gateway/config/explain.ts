import { Document, type Node, Pair, Scalar, YAMLMap, YAMLSeq } from 'yaml'
import { formatDuration } from '../../adapters/shared/settings.ts'
import { printableJson } from '../json-text.ts'
import { sanitise } from '../sanitise.ts'
import { type Path, pathText, YAML_SCHEMA } from './document.ts'
import { branchOf, configJsonSchema, isGroup, type JsonSchema, memberOf } from './json-schema.ts'
import type { Loaded } from './load.ts'
import type { ConfigAdapter } from './schema.ts'

/**
 * The effective config as YAML that loads to the same: what is written, every default beside it, and where an
 * inherited value comes from. Secrets stand as their references; this room never sees a value.
 */
export function explainConfig(loaded: Loaded, adapters: readonly ConfigAdapter[]): string {
  const document = new Document(null, YAML_SCHEMA)
  const explained = explain(configJsonSchema(adapters), loaded.written, [], inheritedBy(loaded))
  document.contents = explained as typeof document.contents
  // Between double quotes, escapes of YAML are those of JSON.
  return printableJson(document.toString({ lineWidth: 0, doubleQuotedMinMultiLineLength: Infinity }))
}

/** A setting that nobody wrote, because it comes from another one; by the path of the group that it is in. */
type Inherited = ReadonlyMap<string, Readonly<{ key: string; value: unknown; from: string }>>

function inheritedBy({ config, written }: Loaded): Inherited {
  const inherited = new Map<string, Readonly<{ key: string; value: unknown; from: string }>>()
  const add = (path: Path, key: string, value: unknown, from: string) => {
    if (!isWritten(written, [...path, key])) inherited.set(pathText(path), { key, value, from })
  }
  for (const [name, source] of Object.entries(config.sources)) {
    const path = ['sources', name]
    add(path, 'zone', source.zone, `of company ${source.company}`)
    for (const [feed, { poll }] of Object.entries(source.feeds)) {
      const value = 'at' in poll ? { at: poll.at } : { every: formatDuration(poll.everyMs) }
      const from = isWritten(written, [...path, 'poll']) ? 'of the source' : 'default'
      add([...path, 'feeds', feed], 'poll', value, from)
    }
  }
  for (const [name, { zone, company }] of Object.entries(config.people)) {
    add(['people', name], 'zone', zone, `of company ${company}`)
  }
  return inherited
}

function isWritten(written: unknown, path: Path): boolean {
  const [key, ...rest] = path
  if (key === undefined) return true
  const of = isGroup(written) ? written : {}
  return Object.hasOwn(of, key) && isWritten(of[String(key)], rest)
}

function explain(schema: JsonSchema, written: unknown, path: Path, inherited: Inherited): Node {
  const branch = branchOf(schema, written)
  if (Array.isArray(written)) {
    const list = new YAMLSeq()
    list.flow = written.every((item) => typeof item !== 'object')
    list.items = written.map((item, at) => explain(branch.items ?? {}, item, [...path, at], inherited))
    return list
  }
  if (!isGroup(written)) return leaf(written)
  const group = new YAMLMap()
  const add = (key: string, value: Node) => void group.items.push(new Pair(leaf(key), value))
  for (const [key, value] of Object.entries(written)) {
    add(key, explain(memberOf(branch, key), value, [...path, key], inherited))
  }
  for (const [key, member] of Object.entries(branch.properties ?? {})) {
    if (Object.hasOwn(written, key) || member.default === undefined) continue
    add(key, explainDefault(member, [...path, key], inherited))
  }
  const from = inherited.get(pathText(path))
  if (from !== undefined) add(from.key, remarked(from.value, from.from))
  return group
}

/** A group whose settings have defaults of their own is shown with them; of a plain value it is said once. */
function explainDefault(schema: JsonSchema, path: Path, inherited: Inherited): Node {
  return branchOf(schema, schema.default).properties === undefined
    ? remarked(schema.default, 'default')
    : explain(schema, schema.default, path, inherited)
}

function remarked(value: unknown, remark: string): Node {
  const node = leaf(value)
  node.comment = ` ${remark}`
  return node
}

/** Settings are text in this YAML, so a number that a schema gives is written with its digits. */
function leaf(value: unknown): Node {
  const text = typeof value === 'number' ? String(value) : value
  const node = new Document(null, YAML_SCHEMA).createNode(text, { flow: true })
  if (node instanceof Scalar && typeof text === 'string' && sanitise(text) !== text) {
    const isLines = sanitise(text.replaceAll('\n', '')) === text.replaceAll('\n', '')
    node.type = isLines ? 'BLOCK_LITERAL' : 'QUOTE_DOUBLE'
  }
  return node
}
