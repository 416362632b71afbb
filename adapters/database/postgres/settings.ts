import { z } from 'zod'
import { text } from '../../shared/settings.ts'
import { serverSettings, tls } from '../server-settings.ts'

const { host, port, user, password, statementTimeout } = serverSettings(5432)

export const postgres = z
  .strictObject({
    engine: z.literal('postgres').describe('PostgreSQL 10 or later.'),
    host,
    port,
    database: text().describe('Database to read.'),
    user,
    password,
    tls: tls.optional(),
    statementTimeout,
  })
  .describe('A PostgreSQL database.')

export type PostgresConnection = z.output<typeof postgres>
