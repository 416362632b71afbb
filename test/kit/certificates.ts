import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** PEM texts of a certificate and its key. */
export type Certificate = Readonly<{ cert: string; key: string }>

/** An authority of a test's own, with certificates that it signed; made anew in every run, by openssl. */
export interface Authority {
  /** What those who trust it are given. */
  readonly ca: string
  /** `names` as openssl writes them (`IP:127.0.0.1`, `DNS:example.com`); `days` below 0 is over already. */
  sign(commonName: string, names: readonly string[], days?: number): Certificate
}

export function makeAuthority(): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-ca-'))
  try {
    const own = inFolder(folder)
    own.openssl(`req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 2`)
    const [ca, key] = [own.read('ca.pem'), own.read('ca.key')]
    return { ca, sign: (commonName, names, days = 2) => sign({ cert: ca, key }, commonName, names, days) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function sign(by: Certificate, commonName: string, names: readonly string[], days: number): Certificate {
  const folder = mkdtempSync(join(tmpdir(), 'erpgw-ca-'))
  try {
    const own = inFolder(folder)
    own.write('ca.pem', by.cert)
    own.write('ca.key', by.key)
    own.write('names', names.length === 0 ? '' : `subjectAltName=${names.join()}\n`)
    own.openssl(`req -newkey rsa:2048 -nodes -keyout own.key -out own.csr -subj /CN=${commonName}`)
    own.openssl(
      `x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days ${days} -extfile names -out own.pem`,
    )
    return { cert: own.read('own.pem'), key: own.read('own.key') }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function inFolder(folder: string) {
  return {
    openssl: (line: string) => execFileSync('openssl', line.split(' '), { cwd: folder, stdio: 'pipe' }),
    read: (name: string) => readFileSync(join(folder, name), 'utf8'),
    write: (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 }),
  }
}
