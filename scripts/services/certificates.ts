import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeAuthority } from '../../test/kit/certificates.ts'
import { type Account, programAt } from './debian.ts'

/** Paths of what a server needs to offer TLS at 127.0.0.1. */
export type CertificateFiles = Readonly<Record<'ca' | 'cert' | 'key', string>>

/** Writes an authority, and a certificate by it, into the folder of a server; null where this machine has no openssl. */
export function writeCertificates(folder: string, account: Account | null): CertificateFiles | null {
  if (programAt('openssl') === null) return null
  const authority = makeAuthority()
  const { cert, key } = authority.sign('127.0.0.1', ['IP:127.0.0.1'])
  return {
    ca: writePrivate(join(folder, 'ca.pem'), authority.ca, account),
    cert: writePrivate(join(folder, 'cert.pem'), cert, account),
    key: writePrivate(join(folder, 'key.pem'), key, account),
  }
}

/** Writes a file that the account alone may read. */
export function writePrivate(path: string, text: string, account: Account | null): string {
  writeFileSync(path, text, { mode: 0o600 })
  if (account) chownSync(path, account.uid, account.gid)
  return path
}
