import { expect, test } from 'vitest'
import type { CommitOrdered, Row, Statement, Transport } from '../../../adapters/database/transport.ts'
import { binding } from '../../../adapters/database/transport.ts'
import type { Lab } from './sqlserver-lab.ts'

const NEVER = new AbortController().signal

/** Rows of a statement in a snapshot of its own. */
export async function ask(transport: Transport, { text, parameters }: Statement): Promise<readonly Row[]> {
  const snapshot = await transport.snapshot(NEVER)
  try {
    return (await snapshot.query(text, parameters, NEVER)).rows
  } finally {
    await snapshot.end()
  }
}

/** What the engine offers, which must be there. */
export function offered({ dialect }: Transport): CommitOrdered {
  if (dialect.commitOrdered === undefined) throw new Error('The dialect tells no order of commits.')
  return dialect.commitOrdered
}

/** The lowest rowversion that an open transaction may still bring. */
export async function boundOf(transport: Transport): Promise<string> {
  const text = `SELECT ${transport.dialect.selected(offered(transport).bound, 'binary(8)')}`
  const [row] = await ask(transport, { text, parameters: [] })
  return row?.[0] ?? ''
}

/** What Change Tracking says of the key `no`: each key with whether it was deleted, and the newest version. */
export async function trackedSince(
  transport: Transport,
  table: string,
  after: string,
): Promise<readonly Row[]> {
  const { parameters, bind } = binding()
  const from = offered(transport).tracked.changes(table, ['no'], after, bind)
  const selected = transport.dialect.selected('h.v1', 'int')
  return ask(transport, { text: `SELECT ${selected}, h.deleted FROM ${from} ORDER BY h.v1`, parameters })
}

/** What the dialect tells of the order of commits, while nobody else writes. */
export function testCommitOrdered(lab: () => Lab): void {
  test('the rowversion of a table is named, and whether an index finds it', async () => {
    const transport = await lab().connect()
    const { column } = offered(transport)
    await lab().erp(
      'CREATE TABLE dbo.with_rv (no int PRIMARY KEY, ufts rowversion); CREATE TABLE dbo.without_rv (no int)',
    )
    expect(await ask(transport, column('dbo.without_rv'))).toEqual([])
    expect(await ask(transport, column('dbo.with_rv'))).toEqual([
      ['ufts', 'No index of dbo.with_rv begins with its rowversion: every poll reads the whole table.'],
    ])
    await lab().erp('CREATE INDEX by_rv ON dbo.with_rv (ufts)')
    expect(await ask(transport, column('dbo.with_rv'))).toEqual([['ufts', null]])
    await transport.close()
    await lab().erp('DROP TABLE dbo.with_rv; DROP TABLE dbo.without_rv')
  })

  test('the bound lies above every rowversion where no transaction is open', async () => {
    const transport = await lab().connect()
    await lab().erp(
      'CREATE TABLE dbo.bounded (no int, rv rowversion); INSERT INTO dbo.bounded (no) VALUES (1), (2)',
    )
    const text = `SELECT ${transport.dialect.selected('MAX(b.rv)', 'binary(8)')} FROM dbo.bounded b`
    const [row] = await ask(transport, { text, parameters: [] })
    expect(BigInt(await boundOf(transport))).toBe(BigInt(row?.[0] ?? '') + 1n)
    await transport.close()
    await lab().erp('DROP TABLE dbo.bounded')
  })

  test('changes that the database tracks are told by key, each once, deletions among them', async () => {
    const transport = await lab().connect()
    const { versions } = offered(transport).tracked
    await lab().erp(
      'CREATE TABLE dbo.tracked (no int PRIMARY KEY, n int); INSERT INTO dbo.tracked VALUES (1, 1), (2, 1)',
    )
    expect(await ask(transport, versions('dbo.tracked'))).toEqual([])
    await lab().erp('ALTER TABLE dbo.tracked ENABLE CHANGE_TRACKING')
    const [[start = '', oldest] = []] = (await ask(transport, versions('dbo.tracked'))) as [string[]?]
    expect(oldest).toBe(start)
    await lab().erp(
      'INSERT INTO dbo.tracked VALUES (3, 1); UPDATE dbo.tracked SET n = 2 WHERE no < 3; DELETE FROM dbo.tracked WHERE no = 2',
    )
    expect(await trackedSince(transport, 'dbo.tracked', start)).toEqual([
      ['1', '0'],
      ['2', '1'],
      ['3', '0'],
    ])
    const [[now = ''] = []] = (await ask(transport, versions('dbo.tracked'))) as [string[]?]
    expect(await trackedSince(transport, 'dbo.tracked', now)).toEqual([])
    await lab().erp('TRUNCATE TABLE dbo.tracked')
    const [[, from = ''] = []] = (await ask(transport, versions('dbo.tracked'))) as [string[]?]
    expect(BigInt(from)).toBeGreaterThan(BigInt(start))
    await transport.close()
    await lab().erp('DROP TABLE dbo.tracked')
  })
}
