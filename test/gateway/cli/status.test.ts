import { expect, test } from 'vitest'
import type { Json } from '../../../adapters/contract.ts'
import type { GatewayStatus } from '../../../gateway/gateway.ts'
import type { LaneStatus } from '../../../gateway/lane/status.ts'
import { erpgwIn, SITE } from './world.ts'

function status(
  publisher: GatewayStatus['publisher'],
  more: Partial<Pick<GatewayStatus, 'log' | 'sources'>> = {},
) {
  const since = '2026-11-24T05:00:00.000Z'
  const value: GatewayStatus = {
    gateway: 'test',
    since,
    log: { trouble: null },
    sources: [],
    publisher,
    ...more,
  }
  const ask = async () => ({ ok: true as const, value: value as unknown as Json })
  return erpgwIn({ ...SITE, ask }, 'status')
}

test('status tells what ended the publisher, and fails while it does not run', async () => {
  const partitions = [{ topic: 'erp.payment.v1', partition: 2, position: 7, open: 1 }]
  const well = await status({ partitions, trouble: null })
  expect(well.code).toBe(0)
  expect(well.out).toContain('publisher erp.payment.v1/2: at 7, 1 notices open')
  const sick = await status({ partitions, trouble: 'The template x is missing.' })
  expect(sick.code).toBe(1)
  expect(sick.out).toContain('publisher failed, and is started again: The template x is missing.')
})

test('status tells how long a source has been waited for, once that is long [P6 F7]', async () => {
  const noteAfter = async (ms: number) => {
    const lane: LaneStatus = {
      ...{
        source: 'erp',
        feed: 'payments',
        entity: 'payment',
        state: 'running',
        phase: 'live',
        lineage: null,
      },
      ...{ stopped: null, retry: null, lastRun: null, progress: null, hold: null, rows: null },
      ...{ isRemapPending: false, isRemapping: false, awaits: { what: 'poll', ms }, closed: null },
    }
    const sources = [{ source: 'erp', restarts: 0, lanes: [lane], trouble: null }]
    return (await status(null, { sources })).out
  }
  expect(await noteAfter(12_400)).toContain('has waited 12 s for the source to answer poll')
  expect(await noteAfter(400)).not.toContain('waited')
})

test('status tells that the log is away, and fails as long as it is', async () => {
  const { code, out } = await status(null, { log: { trouble: 'Kafka at k:9092 cannot be reached.' } })
  expect(code).toBe(1)
  expect(out).toContain('The log is away, and everything waits for it: Kafka at k:9092 cannot be reached.')
})
