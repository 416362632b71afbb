import { createServer } from 'node:net'
import { expect, test } from 'vitest'
import { adapter } from '../../../adapters/database/adapter.ts'
import { asAdapterError } from '../../../adapters/database/postgres/errors.ts'
import { createSurroundings } from '../../kit/adapter-surroundings.ts'

/** What PostgreSQL says at the start of a session, as the driver throws it. */
function said(code: string, message: string) {
  return asAdapterError(Object.assign(new Error(message), { code }), 'erp-db:5432', 'hunter2')
}

test.each([
  [
    '28P01',
    'password authentication failed for user "reader"',
    /^erp-db:5432 answered: the password was not accepted \(password .* "reader"\); check `user` and .*`password`.*\.$/,
  ],
  ['28000', 'no pg_hba.conf entry for host "10.0.0.7"', /the account may not log in .*pg_hba\.conf/],
  ['3D000', 'database "shpo" does not exist', /there is no such database \(.*"shpo".*\); check `database`/],
] as const)('SQLSTATE %s is said in plain words, with what to look at', (code, message, expected) => {
  const error = said(code, message)
  expect(error.message).toMatch(expected)
  expect(error.remedy).toBe('fix-config')
  expect(error.details).toMatchObject({ sqlState: code })
})

test('says of a server in another tongue what the code means, and never the password', () => {
  const { message } = said('28P01', '密码 hunter2 认证失败')
  expect(message).toContain('the password was not accepted')
  expect(message).not.toContain('hunter2')
})

test('a port on which nothing listens is said so, with what to look at', async () => {
  const server = createServer()
  const port = await new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      resolve(typeof address === 'object' && address !== null ? address.port : 0)
    }),
  )
  await new Promise((resolve) => server.close(resolve))
  const { context } = createSurroundings({ batchRecordsMax: 1, marks: new Map() })
  const settings = adapter.connection.parse({
    ...{ engine: 'postgres', host: '127.0.0.1', port: String(port), database: 'erp', user: 'reader' },
  })
  const connected = adapter.connect(
    settings,
    { ...context, resolve: async (host) => host },
    new AbortController().signal,
  )
  await expect(connected).rejects.toMatchObject({
    code: 'ADAPTER_UNREACHABLE',
    message: expect.stringMatching(
      /^No connection to 127\.0\.0\.1:\d+: nothing listens there \(.*\); does the server run, and are `host` and `port` right\?$/,
    ),
  })
})
