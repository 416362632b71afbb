import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type Database, describeWithService } from '../kit/services.ts'

describeWithService('postgres', 'the PostgreSQL service', (postgres) => {
  test('gives each caller a database of its own, and drops it with sessions still open', async () => {
    const first = await postgres.database()
    {
      await using second = await postgres.database()
      await query(first, 'CREATE TABLE item (code text)')
      await expect(query(second, 'SELECT * FROM item')).rejects.toThrow('does not exist')
    }
    const open = new pg.Client({ connectionString: first.url })
    open.on('error', () => undefined)
    await open.connect()
    await first.drop()
    const names = await query(postgres, 'SELECT datname FROM pg_database')
    expect(names).not.toContainEqual({ datname: first.name })
  })

  test('keeps what it says is durable, and speaks UTF-8', async () => {
    await using database = await postgres.database()
    expect(await query(database, 'SHOW fsync')).toEqual([{ fsync: 'on' }])
    expect(await query(database, "SELECT '采购' AS text, length('采购') AS length")).toEqual([
      { text: '采购', length: 2 },
    ])
  })
})

describeWithService('chromium', 'the Chromium service', (chromium) => {
  test('names a program that is there', async () => {
    expect((await readFile(chromium.path)).length).toBeGreaterThan(0)
  })
})

async function query(database: Pick<Database, 'url'>, text: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}
