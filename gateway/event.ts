import type { Json } from '../adapters/contract.ts'

/** Why an event was published. Routes see `live` and `sweep` unless they ask for more. */
export const ORIGINS = ['initial', 'live', 'sweep', 'replay', 'remap'] as const
export type Origin = (typeof ORIGINS)[number]

export const ACTIONS = ['created', 'changed', 'deleted'] as const
export type Action = (typeof ACTIONS)[number]

export type EventData = { readonly [field: string]: Json }

/**
 * A canonical event: a CloudEvents 1.0 envelope in structured mode. The attributes after `traceparent` are
 * extensions; the last four are what a projection is rebuilt from. CloudEvents extension names are lower case, and
 * their integers are 32 bit, so a revision stays below 2^31.
 */
export type Event = Readonly<{
  specversion: '1.0'
  /** hash(lineage, record key, revision, content hash): a re-read yields the same id, A→B→A three. */
  id: string
  /** `erp.<entity>.<action>.v1` */
  type: string
  /** `/erp/<system>/<company>` */
  source: string
  /** The business key inside its company. */
  subject: string
  /** RFC 3339 with offset: when the ERP changed it, or when it was read. */
  time: string
  datacontenttype: 'application/json'
  dataschema: string
  traceparent: string
  revision: number
  lineage: string
  contenthash: string
  origin: Origin
  sourcekey: string
  sourcefingerprint: string
  mappingversion: string
  readorder: string
  /** Names of the top-level fields of `data` that differ from the revision before, comma-separated; changed only. */
  changedfields?: string
  /** Without fields that are null: absent means the same. */
  data: EventData
}>
