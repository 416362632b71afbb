import { hash } from 'node:crypto'
import type { Json } from '../adapters/contract.ts'
import { joinKey, splitKey } from '../adapters/cursor.ts'
import type { EventData } from './event.ts'

/**
 * What makes a record and its versions recognisable. All of it is stored, so none of it may ever change: the vectors
 * in the test of this file are the promise. Hashes are the first 132 bits of SHA-256 in base64url.
 */

/** `<system>/<company>/<subject>`: the same in every topic. `subject` comes from `subjectOf`. */
export function recordKey(system: string, company: string, subject: string): string {
  return `${joinKey([system, company])}/${subject}`
}

/** The parts that `recordKey` joined; the subject stays encoded. Throws TypeError for anything else. */
export function splitRecordKey(key: string): Readonly<{ system: string; company: string; subject: string }> {
  const first = key.indexOf('/')
  const second = key.indexOf('/', first + 1)
  if (first < 0 || second < 0) throw new TypeError('A record key has three parts: system/company/subject.')
  const [system = '', company = ''] = splitKey(key.slice(0, second))
  return { system, company, subject: key.slice(second + 1) }
}

/**
 * The business key of a record inside its company, from its parts. Control characters, which CloudEvents refuses in an
 * attribute, are percent-encoded like the separator. Throws TypeError where there is no key at all, and for half of a
 * surrogate pair, which would be lost in UTF-8.
 */
export function subjectOf(parts: readonly string[]): string {
  const subject = joinKey(parts)
  if (subject === '') throw new TypeError('A record without a business key cannot be identified.')
  if (!subject.isWellFormed()) throw new TypeError('A business key holds half of a surrogate pair.')
  return subject.replace(CONTROL_CHARACTERS, encodeURIComponent)
}

const CONTROL_CHARACTERS = /[\u0000-\u001f\u007f-\u009f]/g

/** The id of an event: a re-read yields the same, A→B→A three. */
export function eventId(lineage: string, recordKey: string, revision: number, contentHash: string): string {
  return digest(`[${jsonText(lineage)},${jsonText(recordKey)},${revision},${jsonText(contentHash)}]`)
}

/** What a version of a record says, and what it is compared by. */
export type Digests = Readonly<{
  /** The data as canonical JSON, its volatile fields last: what an event carries. */
  text: string
  /** Over everything but the volatile fields; part of the event's id. */
  contentHash: string
  /** A short digest per top-level field, as compact JSON text; only for saying which fields changed. */
  fieldDigests: string
}>

/**
 * Text and digests of an event's data, from one canonical text per field. A field that is null counts as absent, so a
 * schema that grows by a field changes no hash.
 */
export function digestsOf(data: EventData, volatile: readonly string[]): Digests {
  let content = ''
  let fields = ''
  let rest = ''
  for (const name of sortedKeys(data)) {
    const value = data[name]
    if (value === null) continue
    const key = memberName(name)
    const text = canonicalJson(value)
    if (volatile.includes(name)) {
      rest += `,${key}${text}`
      continue
    }
    const comma = content === '' ? '' : ','
    content += `${comma}${key}${text}`
    fields += `${comma}${key}"${shortDigest(text)}"`
  }
  return {
    text: `{${content === '' ? rest.slice(1) : content + rest}}`,
    contentHash: digest(`{${content}}`),
    fieldDigests: `{${fields}}`,
  }
}

/** The names of the fields that differ between two texts of field digests, sorted. */
export function changedFields(before: string, after: string): readonly string[] {
  const old = parseDigests(before)
  const current = parseDigests(after)
  const changed: string[] = []
  for (const [name, value] of current) if (old.get(name) !== value) changed.push(name)
  for (const name of old.keys()) if (!current.has(name)) changed.push(name)
  return changed.sort()
}

/** Equal means equal words of the source. */
export function fingerprint(data: { readonly [field: string]: Json }): string {
  return digest(canonicalJson(data))
}

/**
 * The one JSON text of a value, for hashing: no blanks, no members that are null, keys in the order of their UTF-16 code units, half surrogates escaped.
 * Throws TypeError for what JSON cannot say (undefined, NaN, a bigint), where JSON.stringify would drop or change it.
 */
export function canonicalJson(value: Json | undefined): string {
  if (typeof value === 'string') return jsonText(value)
  if (value === null) return 'null'
  if (typeof value === 'object') return isList(value) ? listText(value) : objectText(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  if (typeof value === 'number' && Number.isFinite(value)) return JSON.stringify(value)
  throw new TypeError(`A value of type ${typeof value} (${String(value)}) cannot stand in a record.`)
}

function listText(list: readonly Json[]): string {
  let text = ''
  for (const item of list) text += `${text === '' ? '' : ','}${canonicalJson(item)}`
  return `[${text}]`
}

function objectText(object: { readonly [name: string]: Json }): string {
  let text = ''
  for (const name of sortedKeys(object)) {
    const value = object[name]
    if (value === null) continue
    text += (text === '' ? '' : ',') + memberName(name) + canonicalJson(value)
  }
  return `{${text}}`
}

/** Names are few, those of columns and of schemas, and come with every record. */
const MEMBER_NAMES = new Map<string, string>()
const MEMBER_NAMES_MAX = 10_000

/** `"name":` */
function memberName(name: string): string {
  const known = MEMBER_NAMES.get(name)
  if (known !== undefined) return known
  if (MEMBER_NAMES.size >= MEMBER_NAMES_MAX) MEMBER_NAMES.clear()
  const text = `${jsonText(name)}:`
  MEMBER_NAMES.set(name, text)
  return text
}

const ESCAPED = /[\u0000-\u001f"\\\ud800-\udfff]/

/** Below this length a loop over a text is faster than a regex. */
const SHORT = 48

/** JSON.stringify for a text, without its cost where there is nothing to escape, as nearly always. */
export function jsonText(text: string): string {
  if (text.length > SHORT) return ESCAPED.test(text) ? JSON.stringify(text) : `"${text}"`
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit < 0x20 || unit === QUOTE || unit === BACKSLASH || (unit >= 0xd800 && unit <= 0xdfff)) {
      return JSON.stringify(text)
    }
  }
  return `"${text}"`
}

const QUOTE = 0x22
const BACKSLASH = 0x5c

/** Sorting by insertion: objects are small and often sorted already, where it is twice as fast as sort(). */
function sortedKeys(object: object): string[] {
  const keys = Object.keys(object)
  if (keys.length > 40) return keys.sort()
  for (let index = 1; index < keys.length; index++) {
    const key = keys[index] ?? ''
    let place = index
    for (; place > 0; place--) {
      const before = keys[place - 1] ?? ''
      if (before <= key) break
      keys[place] = before
    }
    keys[place] = key
  }
  return keys
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}

function parseDigests(text: string): ReadonlyMap<string, unknown> {
  const digests: object = JSON.parse(text)
  return new Map(Object.entries(digests))
}

const DIGEST_CHARACTERS = 22

function digest(text: string): string {
  return hash('sha256', text, 'base64url').slice(0, DIGEST_CHARACTERS)
}

/**
 * 64 bits of two multiplicative hashes with a final mix: enough to tell two values of one field apart, at a twentieth of
 * the cost of SHA-256. What must never collide is the content hash.
 */
function shortDigest(text: string): string {
  let low = 0x811c9dc5
  let high = 0x9747b28c
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    low = Math.imul(low ^ unit, 0x01000193)
    high = Math.imul(high ^ unit, 0x5bd1e995)
    high ^= high >>> 15
  }
  const [first, second] = [mixed(low), mixed(high ^ low)]
  return (
    pair(first >>> 20) +
    pair(first >>> 8) +
    pair((first << 4) | (second >>> 28)) +
    pair(second >>> 16) +
    pair(second >>> 4) +
    pair(second << 8).charAt(0)
  )
}

function mixed(hash: number): number {
  let bits = hash
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b)
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35)
  return bits ^ (bits >>> 16)
}

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const PAIRS: readonly string[] = [...LETTERS].flatMap((one) => [...LETTERS].map((other) => one + other))

/** The lowest 12 bits as two letters, out of a table: writing a number in another base costs twenty times as much. */
function pair(bits: number): string {
  return PAIRS[bits & 0xfff] ?? ''
}
