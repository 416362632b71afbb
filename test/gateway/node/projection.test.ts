import {
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
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createSqliteProjections } from '../../../gateway/node/projection.ts'
import type { Applied, ProjectionRow } from '../../../gateway/ports.ts'

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
  const projection = createSqliteProjections(folder).open('erp.payments')
  const rows = Array.from({ length: count }, (_, index) => row(`k${index}`))
  const seen = { pass: 'p', batch: 1, keys: ['k1'] }
  projection.apply({ rows, applied, foreign: ['erp/001/other'], seen })
  projection.close()
  return join(folder, 'erp.payments.sqlite')
}

describe('a projection', () => {
  test('holds what it was given when it is opened again', () => {
    filled()
    const projection = createSqliteProjections(folder).open('erp.payments')
    expect(projection.applied()).toEqual(applied)
    expect(projection.count()).toEqual({ live: 200, deleted: 0, rejected: 0 })
    expect(projection.rows(['k7', 'none']).get('k7')).toEqual(row('k7'))
    expect(projection.foreign(['erp/001/other', 'erp/001/k7'])).toEqual(new Set(['erp/001/other']))
    expect(projection.passBatches('p')).toBe(1)
    expect(projection.owners(['erp/001/k8']).get('erp/001/k8')).toEqual(row('k8'))
    expect(projection.highestReadOrder()).toBe('n0000000000000001')
    projection.close()
  })

  test.each([
    ['altered in 100 places', "UPDATE row SET content_hash = 'x' WHERE rowid_text < 'k2'"],
    ['robbed of a row', "DELETE FROM row WHERE source_key = 'k5'"],
    [
      'given a row',
      "INSERT INTO row SELECT 'new', 'erp/001/new', revision, content_hash, field_digests, fingerprint, read_order, mapping, deleted, rejected, partition, offset, seal_a, seal_b FROM row WHERE source_key = 'k5'",
    ],
    [
      'moved ahead',
      `UPDATE state SET applied = '{"lineage":"l1","positions":{"erp.payment.v1/0":900},"topicIds":{}}'`,
    ],
    ['of another version', 'UPDATE state SET version = 99'],
    ['robbed of a key that a pass named', 'DELETE FROM seen'],
    ['robbed of a record key of another lane', 'DELETE FROM foreign_key'],
    ['of a state that is no JSON', "UPDATE state SET applied = '{'"],
    ['of a number that is out of range', 'UPDATE row SET revision = 9223372036854775807'],
  ])('%s opens as empty, to be rebuilt [P10]', (_, sql) => {
    const database = new DatabaseSync(filled())
    database.exec(sql.replace('rowid_text', 'source_key'))
    database.close()
    const projection = createSqliteProjections(folder).open('erp.payments')
    expect(projection.applied()).toBeNull()
    expect(projection.count()).toEqual({ live: 0, deleted: 0, rejected: 0 })
    projection.close()
  })

  test.each([
    ['cut off', (file: string) => truncateSync(file, Math.floor(statSync(file).size / 2))],
    [
      'no database at all',
      (file: string) => writeFileSync(file, 'not a database, but long enough to look at'),
    ],
  ])('%s opens as empty, to be rebuilt [P10]', (_, damage) => {
    damage(filled())
    const projection = createSqliteProjections(folder).open('erp.payments')
    expect(projection.applied()).toBeNull()
    expect(projection.rows(['k1']).size).toBe(0)
    projection.apply({ rows: [row('k1')], applied })
    projection.close()
  })

  test('whose index does not say what its rows say opens as empty, to be rebuilt [P10]', () => {
    const file = filled()
    const bytes = readFileSync(file)
    // Rows and index entries hold the record key, and maybe space that is free by now.
    const found: boolean[] = []
    for (let at = bytes.indexOf('erp/001/k33'); at >= 0; at = bytes.indexOf('erp/001/k33', at + 1)) {
      const damaged = Buffer.from(bytes)
      damaged.write('x', at + 8)
      writeFileSync(file, damaged)
      const projection = createSqliteProjections(folder).open('erp.payments')
      found.push(projection.applied() === null)
      if (found.at(-1) === false) {
        expect(projection.owners(['erp/001/k33']).get('erp/001/k33')?.sourceKey).toBe('k33')
      }
      projection.close()
    }
    expect(found.filter(Boolean).length).toBeGreaterThan(1)
  })

  test('lets a record key go from one row to another within a change', () => {
    const projection = createSqliteProjections(folder).open('erp.payments')
    projection.apply({ rows: [row('a', { recordKey: 'R1' }), row('b', { recordKey: 'R2' })], applied })
    projection.apply({ rows: [row('a', { recordKey: 'R2' }), row('b', { recordKey: 'R1' })], applied })
    expect(projection.owners(['R1']).get('R1')?.sourceKey).toBe('b')
    projection.close()
    const again = createSqliteProjections(folder).open('erp.payments')
    expect(again.applied()).toEqual(applied)
    again.close()
  })

  test('writes all of a change or nothing', () => {
    const projection = createSqliteProjections(folder).open('erp.payments')
    projection.apply({ rows: [row('a')], applied })
    const bad = [row('b'), row('c', { recordKey: 'erp/001/a' })]
    expect(() => projection.apply({ rows: bad, applied: { ...applied, lineage: 'l2' } })).toThrow()
    expect(projection.rows(['b']).size).toBe(0)
    expect(projection.applied()?.lineage).toBe('l1')
    projection.close()
  })

  test('finds the rows that a pass did not name and that are older than its start', () => {
    const projection = createSqliteProjections(folder).open('erp.payments')
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
    expect(statSync(folder).mode & 0o077).toBe(0)
    for (const name of readdirSync(folder)) expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
  })
})
