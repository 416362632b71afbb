import { z } from 'zod'
import { text } from '../../shared/settings.ts'
import { serverSettings, tls } from '../server-settings.ts'

const { host, port, user, password, statementTimeout } = serverSettings(3306)

export const mysql = z
  .strictObject({
    engine: z.literal('mysql').describe('MySQL 5.7 or later, or MariaDB 10.3 or later.'),
    host,
    port,
    database: text().describe('Database of the tables that are named without one.'),
    user,
    password,
    tls: tls.optional(),
    statementTimeout,
  })
  .describe('A MySQL or MariaDB database.')

export type MysqlConnection = z.output<typeof mysql>
