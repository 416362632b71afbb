import type { Json } from '../adapters/contract.ts'
import { JsonWriter } from './canonical-json.ts'
import { ACTIONS, type Action, type Event, ORIGINS, type Origin } from './event.ts'
import { eventId } from './identity.ts'
import { isDateTime } from './schemas/formats.ts'

/** The one header of a record that holds an event in structured mode. */
export const EVENT_HEADERS = { 'content-type': 'application/cloudevents+json; charset=UTF-8' } as const

/** What a lane knows when it publishes; everything else of the envelope follows from it. */
export type EventParts = Readonly<{
  entity: string
  /** Of the entity's schema; 1 where nothing is said. */
  version?: number
  action: Action
  system: string
  company: string
  subject: string
  recordKey: string
  /** RFC 3339 with offset. */
  time: string
  traceparent: string
  revision: number
  lineage: string
  contentHash: string
  origin: Origin
  sourceKey: string
  sourceFingerprint: string
  mappingVersion: string
  readOrder: string
  /** Null where there is nothing to compare with. */
  changedFields: readonly string[] | null
  /** JSON of the record's data, in UTF-8. */
  data: Uint8Array
}>

/**
 * The value of the record that carries an event. Written out and not put together as an object first: it is most of what
 * the log is given. Throws EventError where the parts make no event: no subject, a revision that is out of range, a time
 * that is none; all else is so by type, or by how it is made here.
 */
export function encodeEvent(parts: EventParts): Uint8Array {
  const { entity, version = 1, action, changedFields } = parts
  refusePart(SUBJECT, parts.subject)
  refusePart(REVISION, parts.revision)
  refusePart(TIME, parts.time)
  const id = eventId(parts.lineage, parts.recordKey, parts.revision, parts.contentHash)
  written.reset()
  written.raw(`{"specversion":"1.0","id":"${id}","type":"${typeOf({ entity, action, version })}"`)
  written.raw(`,"source":"${sourceOf(parts.system, parts.company)}"`)
  writeText('subject', parts.subject)
  written.raw(`,"time":"${parts.time}","datacontenttype":"application/json"`)
  written.raw(`,"dataschema":"${schemaUri(entity, version)}","traceparent":"${parts.traceparent}"`)
  written.raw(`,"revision":${parts.revision}`)
  writeText('lineage', parts.lineage)
  writeText('contenthash', parts.contentHash)
  writeText('origin', parts.origin)
  writeText('sourcekey', parts.sourceKey)
  writeText('sourcefingerprint', parts.sourceFingerprint)
  writeText('mappingversion', parts.mappingVersion)
  writeText('readorder', parts.readOrder)
  if (changedFields !== null) writeText('changedfields', changedFields.join(','))
  written.raw(',"data":')
  written.rawBytes(parts.data)
  written.raw('}')
  return Buffer.from(written.view())
}

/** Where events are written, one after the other; nothing stays in there. */
const written = new JsonWriter()

function writeText(attribute: Attribute['name'], value: string): void {
  written.name(attribute, false)
  written.text(value)
}

/** Reads what `encodeEvent` wrote. Throws EventError, naming the attribute that is not as it must be. */
export function decodeEvent(bytes: Uint8Array): Event {
  let value: unknown
  try {
    value = JSON.parse(UTF_8.decode(bytes))
  } catch (error) {
    throw new EventError('The record is not an event: its bytes are not JSON in UTF-8.', null, error)
  }
  if (!isObject(value)) throw new EventError('The record is not an event: it is not a JSON object.', null)
  refuse(value)
  return value as Event
}

const UTF_8 = new TextDecoder('utf-8', { fatal: true })

/** Not an event. `attribute` is the one to blame, or null where there is not even an envelope. */
export class EventError extends Error {
  override readonly name = 'EventError'
  readonly attribute: string | null

  constructor(message: string, attribute: string | null, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.attribute = attribute
  }
}

/** Random bytes that one trace context takes: 16 for the trace, 8 for the span. */
export const TRACE_BYTES = 24

/**
 * W3C trace context from random bytes: a trace of its own, one span, not sampled. `index` says which of several that the
 * bytes are enough for.
 */
export function traceparent(bytes: Uint8Array, index = 0): string {
  const at = index * TRACE_BYTES
  const hex = Buffer.from(
    bytes.buffer,
    bytes.byteOffset + at,
    Math.min(TRACE_BYTES, bytes.length - at),
  ).toString('hex')
  if (!/^(?!0{32})[0-9a-f]{32}(?!0{16})[0-9a-f]{16}$/.test(hex)) {
    throw new TypeError(
      'A traceparent needs 24 bytes, of which neither the first 16 nor the last 8 are all zero.',
    )
  }
  return `00-${hex.slice(0, 32)}-${hex.slice(32)}-00`
}

/** What the type of an event says. */
export type EventKind = Readonly<{ entity: string; action: Action; version: number }>

export function typeOf({ entity, action, version }: EventKind): string {
  return `erp.${entity}.${action}.v${version}`
}

/** What a type says, or null where it is not one of ours. */
export function kindOf(type: string): EventKind | null {
  const [, entity, named, version] = EVENT_TYPE.exec(type) ?? []
  const action = ACTIONS.find((known) => known === named)
  return entity === undefined || action === undefined ? null : { entity, action, version: Number(version) }
}

const EVENT_TYPE = /^erp\.([a-z][a-z0-9-]*)\.([a-z]+)\.v([1-9][0-9]{0,5})$/

/** `/erp/<system>/<company>`: a URI reference, so whatever it may not hold is percent-encoded. */
export function sourceOf(system: string, company: string): string {
  return `/erp/${encodeURIComponent(system)}/${encodeURIComponent(company)}`
}

/** The parts that `sourceOf` joined, or null where they are none. */
export function partsOfSource(source: string): Readonly<{ system: string; company: string }> | null {
  const [, system, company] = EVENT_SOURCE.exec(source) ?? []
  if (system === undefined || company === undefined) return null
  try {
    return { system: decodeURIComponent(system), company: decodeURIComponent(company) }
  } catch {
    return null
  }
}

const EVENT_SOURCE = /^\/erp\/([^/]+)\/([^/]+)$/

/** What `dataschema` says: a name, not an address; nothing is ever fetched from it. */
export function schemaUri(entity: string, version: number): string {
  return `urn:erp-gateway:schema:${entity}.v${version}`
}

/** What an attribute of the envelope must be: its JSON Schema for the catalogue, and the check that is made. */
export type Attribute = Readonly<{
  name: Exclude<keyof Event, 'data'>
  isRequired: boolean
  description: string
  schema: Readonly<Record<string, Json>>
  allows: (value: unknown) => boolean
}>

const TEXT = { schema: { type: 'string' }, allows: isText } as const
const NAME = { schema: { type: 'string', minLength: 1 }, allows: isName } as const
const REVISION_MAX = 2_147_483_647

const SUBJECT = required(
  'subject',
  'The business key inside the company; parts percent-encoded and joined by "/".',
  NAME,
)
const TIME = required('time', 'When the ERP changed it, or, where it does not say, when it was read.', {
  schema: { type: 'string', format: 'date-time' },
  allows: (value) => isText(value) && isDateTime(value),
})
const REVISION = required('revision', 'The counter of the record: rises by one with each of its events.', {
  schema: { type: 'integer', minimum: 1, maximum: REVISION_MAX },
  allows: (value) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= REVISION_MAX,
})

/** The envelope, attribute by attribute; those after `traceparent` are extensions. */
export const ATTRIBUTES: readonly Attribute[] = [
  required('specversion', 'The version of CloudEvents: 1.0.', oneOf(['1.0'])),
  required('id', 'The same for the same version of the same record, whenever it is read.', NAME),
  required('type', 'What happened to what: erp.<entity>.<created|changed|deleted>.v<version>.', {
    schema: { type: 'string', pattern: EVENT_TYPE.source },
    allows: (value) => isText(value) && kindOf(value) !== null,
  }),
  required('source', 'Where it happened: /erp/<system>/<company>, percent-encoded.', {
    schema: { type: 'string', format: 'uri-reference', pattern: EVENT_SOURCE.source },
    allows: (value) => isText(value) && partsOfSource(value) !== null,
  }),
  SUBJECT,
  TIME,
  required('datacontenttype', 'What data is.', oneOf(['application/json'])),
  required('dataschema', 'The name of the schema that data keeps to.', NAME),
  required('traceparent', 'W3C trace context.', TEXT),
  REVISION,
  required('lineage', 'The run of revisions; consumers order by lineage, then revision.', NAME),
  required('contenthash', 'Equal for equal content, volatile fields left out.', NAME),
  required('origin', 'Why it was published.', oneOf(ORIGINS)),
  required('sourcekey', 'The key of the record in the words of its source.', TEXT),
  required('sourcefingerprint', 'Equal for equal words of the source.', TEXT),
  required('mappingversion', 'The version of the mapping that made it.', TEXT),
  required('readorder', 'The place of the read that found it; compares bytewise.', TEXT),
  {
    ...required('changedfields', 'The fields of data that changed, comma-separated; changed only.', TEXT),
    isRequired: false,
  },
]

function required(
  name: Attribute['name'],
  description: string,
  rule: Pick<Attribute, 'schema' | 'allows'>,
): Attribute {
  return { name, isRequired: true, description, ...rule }
}

function oneOf(values: readonly string[]): Pick<Attribute, 'schema' | 'allows'> {
  return {
    schema: { type: 'string', enum: values },
    allows: (value) => values.some((known) => known === value),
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isName(value: unknown): boolean {
  return isText(value) && value !== ''
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function refuse(envelope: Readonly<Record<string, unknown>>): void {
  for (const attribute of ATTRIBUTES) {
    const value = envelope[attribute.name]
    if (value === undefined && !attribute.isRequired) continue
    if (!attribute.allows(value)) throw wrongAttribute('The record is not an event', attribute, value)
  }
  if (!isObject(envelope['data'])) {
    throw new EventError('The record is not an event: its data is not an object.', 'data')
  }
}

function refusePart(attribute: Attribute, value: unknown): void {
  if (!attribute.allows(value)) throw wrongAttribute('This event cannot be published', attribute, value)
}

function wrongAttribute(consequence: string, { name, schema }: Attribute, value: unknown): EventError {
  const problem = value === undefined ? 'is missing' : `is not as it must be (${JSON.stringify(schema)})`
  return new EventError(`${consequence}: its attribute "${name}" ${problem}.`, name)
}
