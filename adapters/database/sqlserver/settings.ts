import { z } from 'zod'
import { flag, host, secretReference, text } from '../../shared/settings.ts'
import { serverSettings } from '../server-settings.ts'

const server = serverSettings(1433)

const tls = z
  .strictObject({
    ca: secretReference()
      .optional()
      .describe('Certificate authority, PEM; without it those of the system count.'),
    name: host().optional().describe('Name that the certificate must bear, where it is not `host`.'),
    minimum: z
      .enum(['TLSv1.0', 'TLSv1.1', 'TLSv1.2'], { error: 'must be TLSv1.0, TLSv1.1 or TLSv1.2' })
      .default('TLSv1.2')
      .describe('Oldest protocol to take. Below TLSv1.2 `reason` and `until` are needed.'),
    reason: text().optional().describe('Why this server cannot do better; `check` shows it.'),
    until: z
      .string({ error: 'must be a date like 2026-12-31' })
      .regex(/^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/, { error: 'must be a date like 2026-12-31' })
      .optional()
      .describe('Last day on which the old protocol is taken; after it no connection is made.'),
  })
  .superRefine(({ minimum, reason, until }, context) => {
    const isOld = minimum !== 'TLSv1.2'
    if (isOld && (reason === undefined || until === undefined))
      context.addIssue({ code: 'custom', path: ['minimum'], message: `${minimum} needs reason and until` })
    if (!isOld && (reason !== undefined || until !== undefined))
      context.addIssue({ code: 'custom', path: ['minimum'], message: 'TLSv1.2 needs no reason and no until' })
  })
  .describe('How the connection is encrypted and the server verified.')

export const sqlserver = z
  .strictObject({
    engine: z.literal('sqlserver').describe('Microsoft SQL Server 2008 R2 or later, or Babelfish 4.'),
    host: server.host,
    port: server.port,
    database: text().describe('Database to read.'),
    user: server.user.describe(
      'Login of SQL Server that may read the tables, and should be able to do nothing else.',
    ),
    password: server.password,
    encrypt: flag()
      .default(true)
      .describe('Whether the connection is encrypted and the server verified; false needs a reason.'),
    unencryptedReason: text()
      .optional()
      .describe('Why nobody can listen in on an unencrypted connection; `check` shows it.'),
    tls: tls.optional(),
    readOnlyIntent: flag()
      .default(false)
      .describe('Says that the connection only reads, which a secondary of an availability group asks for.'),
    statementTimeout: server.statementTimeout,
  })
  .superRefine(({ encrypt, unencryptedReason, tls: of }, context) => {
    if (!encrypt && unencryptedReason === undefined)
      context.addIssue({
        code: 'custom',
        path: ['encrypt'],
        message: 'an unencrypted connection needs unencryptedReason',
      })
    if (encrypt && unencryptedReason !== undefined)
      context.addIssue({
        code: 'custom',
        path: ['unencryptedReason'],
        message: 'the connection is encrypted',
      })
    if (!encrypt && of !== undefined)
      context.addIssue({ code: 'custom', path: ['tls'], message: 'needs encrypt: true' })
  })
  .describe('A database of Microsoft SQL Server.')

export type SqlServerConnection = z.output<typeof sqlserver>
