import { expect, test } from 'vitest'
import { describeWithService } from '../../kit/services.ts'
import { testEngine } from './engine-checks.ts'
import { postgresEngine } from './postgres-engine.ts'

const NEVER = new AbortController().signal

describeWithService('postgres', 'the database adapter on a real PostgreSQL', (postgres) => {
  const engine = postgresEngine(postgres)
  testEngine(engine)

  test('tells how far it has come, which rises with what is committed and costs it no transaction', async () => {
    await using database = await engine.database()
    const erp = await database.erp()
    const transport = await database.connect()
    const ask = async () => {
      const snapshot = await transport.snapshot(NEVER)
      const horizon = await snapshot.query(transport.dialect.horizon ?? '', [], NEVER)
      const taken = await snapshot.query('SELECT txid_current_if_assigned()::text', [], NEVER)
      await snapshot.end()
      expect(taken.rows).toEqual([[null]])
      return BigInt(horizon.rows[0]?.[0] ?? '')
    }
    const before = await ask()
    await erp.run('CREATE TABLE [doc] ([no] int PRIMARY KEY)')
    expect(await ask()).toBeGreaterThan(before)
    await Promise.all([erp.end(), transport.close()])
  })
})
