import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createProjections } from '../../../gateway/node/projection.ts'
import type { Applied, Projection, ProjectionRow } from '../../../gateway/ports.ts'

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'erpgw-projection-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const applied: Applied = { lineage: 'l1', sequence: 1, positions: { 'erp.payment.v1/0': 7 }, topicIds: {} }

function row(key: string, extra: Partial<ProjectionRow> = {}): ProjectionRow {
  return {
    sourceKey: key,
    recordKey: `erp/001/${key}`,
    revision: 1,
    contentHash: 'c',
    fieldDigests: '{}',
    sourceFingerprint: 'f',
    readOrder: 'n0000000000000001',
    mappingVersion: 'v1',
    deleted: false,
    rejected: null,
    partition: 0,
    offset: 1,
    ...extra,
  }
}

function filled(count = 200): string {
  const projection = createProjections(folder).open('erp.payments')
  const rows = Array.from({ length: count }, (_, index) => row(`k${index}`))
  const seen = { pass: 'p', batch: 1, keys: ['k1'] }
  projection.apply({ rows, applied, foreign: ['erp/001/other'], seen })
  projection.close()
  return join(folder, 'erp.payments')
}

const KEYS = Array.from({ length: 200 }, (_, index) => `k${index}`)

function expectEmpty(projection: Projection): void {
  expect(projection.applied()).toBeNull()
  expect(projection.count()).toEqual({ live: 0, deleted: 0, rejected: 0 })
  expect(projection.rows(['k1']).size).toBe(0)
  projection.apply({ rows: [row('k1')], applied })
  expect(projection.rows(['k1']).size).toBe(1)
  projection.close()
}

describe('a projection', () => {
  test('holds what it was given when it is opened again', () => {
    filled()
    const projection = createProjections(folder).open('erp.payments')
    expect(projection.applied()).toEqual(applied)
    expect(projection.count()).toEqual({ live: 200, deleted: 0, rejected: 0 })
    expect(projection.rows(['k7', 'none']).get('k7')).toEqual(row('k7'))
    expect(projection.foreign(['erp/001/other', 'erp/001/k7'])).toEqual(new Set(['erp/001/other']))
    expect(projection.passBatches('p')).toBe(1)
    expect(projection.owners(['erp/001/k8']).get('erp/001/k8')).toEqual(row('k8'))
    expect(projection.highestReadOrder()).toBe('n0000000000000001')
    projection.close()
  })

  test.each([0.05, 0.5, 0.95])(
    'with a byte that differs anywhere, here at %d of a file, opens as empty, to be rebuilt [P10]',
    (place) => {
      const lane = filled(2_000)
      for (const name of readdirSync(lane)) {
        const bytes = readFileSync(join(lane, name))
        const damaged = Buffer.from(bytes)
        const at = Math.floor(bytes.length * place)
        damaged[at] = (damaged[at] ?? 0) ^ 1
        const copy = join(folder, `copy-${name}`)
        cpSync(lane, copy, { recursive: true })
        writeFileSync(join(copy, name), damaged)
        expectEmpty(createProjections(folder).open(`copy-${name}`))
      }
    },
  )

  test.each([
    ['cut off', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    ['longer than it was', (file: string) => appendFileSync(file, 'more')],
    ['gone', (file: string) => rmSync(file)],
    ['something else', (file: string) => writeFileSync(file, 'not a projection, but long enough to look at')],
  ])('of which a file is %s opens as empty, to be rebuilt [P10]', (_, damage) => {
    for (const name of readdirSync(filled())) {
      const lane = filled()
      damage(join(lane, name))
      const projection = createProjections(folder).open('erp.payments')
      expectEmpty(projection)
      rmSync(lane, { recursive: true, force: true })
    }
  })

  test('with a file of another projection opens as empty, to be rebuilt [P10]', () => {
    const lane = filled()
    const other = createProjections(folder).open('other')
    other.apply({ rows: [row('k1', { contentHash: 'another' })], applied })
    other.close()
    cpSync(join(folder, 'other', '1'), join(lane, '1'))
    expectEmpty(createProjections(folder).open('erp.payments'))
  })

  test('that is not closed loses the last changes together with their positions', () => {
    const projections = createProjections(folder, { gatheredBytesMax: 0 })
    const projection = projections.open('erp.payments')
    projection.apply({ rows: [row('a')], applied })
    projection.apply({ rows: [row('b')], applied: { ...applied, sequence: 2 } })
    const after = projections.open('erp.payments')
    expect(after.applied()?.sequence).toBe(1)
    expect([...after.rows(['a', 'b']).keys()]).toEqual(['a'])
    expect(after.count().live).toBe(1)
  })

  test('holds every text, number and digest as it was given, however it is written', () => {
    const long = 'long '.repeat(100_000)
    const rows = [
      row('東莞', { recordKey: 'erp/001/東莞', sourceFingerprint: 'é', fieldDigests: 'abcdef|["備註"]' }),
      row('\u0001moved', { recordKey: 'no prefix', revision: 2 ** 40, offset: 2 ** 52, partition: 300 }),
      row('empty', { recordKey: '', contentHash: '', fieldDigests: '', readOrder: '', mappingVersion: '' }),
      row('odd', { fieldDigests: 'ab|c|["d"]\u0000', rejected: '', deleted: true }),
      row('open', { fieldDigests: 'without a bar', rejected: 'print' }),
      row('several', { fieldDigests: 'abcdef------ghijkl|["a","b","c"]' }),
      row(long, { contentHash: long }),
    ]
    const projection = createProjections(folder).open('erp.payments')
    projection.apply({ rows, applied })
    projection.close()
    const again = createProjections(folder).open('erp.payments')
    for (const one of rows) expect(again.rows([one.sourceKey]).get(one.sourceKey)).toEqual(one)
    again.close()
  })

  test('goes on with rows spelt out when they have too many words in common', () => {
    const rows = Array.from({ length: 1_500 }, (_, index) =>
      row(`k${index}`, { mappingVersion: `v${index}` }),
    )
    const projection = createProjections(folder).open('erp.payments')
    projection.apply({ rows, applied })
    for (const one of rows) expect(projection.rows([one.sourceKey]).get(one.sourceKey)).toEqual(one)
    projection.close()
  })

  test('takes no more room on the disk for rows that change again and again', () => {
    const projection = createProjections(folder, { gatheredBytesMax: 10_000 }).open('erp.payments')
    const seen = { pass: 'p', batch: 1, keys: KEYS }
    for (let revision = 1; revision <= 200; revision += 1) {
      projection.apply({
        rows: KEYS.map((key) => row(key, { revision })),
        applied,
        seen: { ...seen, pass: `p${revision}` },
      })
    }
    projection.close()
    const lane = join(folder, 'erp.payments')
    const bytes = readdirSync(lane).reduce((sum, name) => sum + statSync(join(lane, name)).size, 0)
    expect(bytes).toBeLessThan(8 * KEYS.length * 100)
    const again = createProjections(folder).open('erp.payments')
    expect(again.count().live).toBe(KEYS.length)
    expect(again.rows(KEYS).get('k99')?.revision).toBe(200)
    again.close()
  })

  test('lets a record key go from one row to another within a change', () => {
    const projection = createProjections(folder).open('erp.payments')
    projection.apply({ rows: [row('a', { recordKey: 'R1' }), row('b', { recordKey: 'R2' })], applied })
    projection.apply({ rows: [row('a', { recordKey: 'R2' }), row('b', { recordKey: 'R1' })], applied })
    expect(projection.owners(['R1']).get('R1')?.sourceKey).toBe('b')
    projection.close()
    const again = createProjections(folder).open('erp.payments')
    expect(again.applied()).toEqual(applied)
    again.close()
  })

  test('writes all of a change or nothing', () => {
    const projection = createProjections(folder).open('erp.payments')
    projection.apply({ rows: [row('a')], applied })
    const bad = [row('b'), row('c', { recordKey: 'erp/001/a' })]
    expect(() => projection.apply({ rows: bad, applied: { ...applied, lineage: 'l2' } })).toThrow()
    expect(projection.rows(['b']).size).toBe(0)
    expect(projection.applied()?.lineage).toBe('l1')
    projection.close()
  })

  test('finds the rows that a pass did not name and that are older than its start', () => {
    const projection = createProjections(folder).open('erp.payments')
    const late = row('late', { readOrder: 'n0000000000000009' })
    projection.apply({ rows: [row('a'), row('b'), row('gone', { deleted: true }), late], applied })
    projection.apply({ rows: [], applied: null, seen: { pass: '1', batch: 1, keys: ['a'] } })
    const unseen = projection.unseen('n0000000000000005', null, 10).map((one) => one.sourceKey)
    expect(unseen).toEqual(['b'])
    expect(projection.passBatches('1')).toBe(1)
    expect(projection.passBatches('2')).toBe(0)
    projection.close()
  })

  test('is a file that only its user can read', () => {
    const before = process.umask(0)
    filled()
    process.umask(before)
    const names = readdirSync(folder, { recursive: true }).map(String)
    expect(names.length).toBeGreaterThan(2)
    for (const name of names) expect(statSync(join(folder, name)).mode & 0o077, name).toBe(0)
  })
})
