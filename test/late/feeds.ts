import { type LateWorld, NIGHT_ZONE } from './world.ts'

/** A way to follow the documents: which promises it is held to when polls have been given time, and after a sweep. */
export type LateFeed = Readonly<{
  name: string
  says: string
  /** Whether polls alone must find what is committed within the window, and beyond it, and deletions. */
  finds: Readonly<{ within: boolean; beyond: boolean; deletions: boolean }>
  isSwept: boolean
}>

export const LATE_FEEDS: readonly LateFeed[] = [
  {
    name: 'open',
    says: 'watermark; the database tells which transactions are open',
    finds: { within: true, beyond: true, deletions: false },
    isSwept: true,
  },
  {
    name: 'tiers',
    says: 'watermark; overlap alone',
    finds: { within: true, beyond: false, deletions: false },
    isSwept: true,
  },
  {
    name: 'night',
    says: 'watermark on local time, in the night in which clocks are put back',
    finds: { within: true, beyond: false, deletions: false },
    isSwept: true,
  },
  {
    name: 'whole',
    says: 'snapshot',
    finds: { within: true, beyond: true, deletions: true },
    isSwept: false,
  },
  {
    name: 'blind',
    says: 'watermark with overlap switched off: must lose',
    finds: { within: false, beyond: false, deletions: false },
    isSwept: false,
  },
]

export const POLL_MS = 500

/** The nearest, the middle and the widest tier for a window. */
function tiers(windowMs: number): string {
  const third = Math.round(windowMs / 3)
  return `[{ reach: 2s }, { reach: ${third}ms, every: ${Math.round(third / 2)}ms }, { reach: ${windowMs}ms, every: ${wideEveryMs(windowMs)}ms }]`
}

export function wideEveryMs(windowMs: number): number {
  return Math.round(windowMs / 2)
}

/** A gateway with all of these feeds over an embedded log; the password comes from `LATE_PASSWORD`. */
export function lateConfig(databaseUrl: string, world: LateWorld, windowMs: number): string {
  const { hostname, port, pathname } = new URL(databaseUrl)
  const source = (
    name: string,
    of: Readonly<{ user: string; zone?: string; cursor: string; poll?: string }>,
  ) => `
  ${name}:
    kind: database
    system: ${name}
    company: 001
    zone: ${of.zone ?? 'UTC'}
    connection: { engine: postgres, host: ${hostname}, port: ${port}, database: ${pathname.slice(1)}, user: ${of.user}, password: env:LATE_PASSWORD }
    poll: { every: ${of.poll ?? `${POLL_MS}ms`} }
    feeds:
      docs: { mapping: late/doc, table: public.doc, key: [no], sweep: never, fuse: { deleted: off }, cursor: ${of.cursor} }`
  const watermark = (column: string, overlap: string) =>
    `{ strategy: watermark, columns: [${column}], overlap: ${overlap} }`
  return `
companies: { 001: { name: Late, currency: HKD, zone: Asia/Hong_Kong } }
data: ./data
mappings: [./mappings]
sources:${source('open', { user: world.monitor, cursor: watermark('changed', tiers(windowMs)) })}${source('tiers', { user: world.reader, cursor: watermark('changed', tiers(windowMs)) })}${source('night', { user: world.night, zone: NIGHT_ZONE, cursor: watermark('local', tiers(windowMs)) })}${source('whole', { user: world.reader, cursor: '{ strategy: snapshot }', poll: '2s' })}${source('blind', { user: world.reader, cursor: watermark('changed', '[{ reach: 0s }]') })}
`
}

export const LATE_MAPPING = `
mapping: late/doc
entity: item
version: 1
key: [no]
fields:
  item: { from: no, as: code, name: content }
  group: { from: grp, as: code }
`
