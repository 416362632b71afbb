import { readFileSync } from 'node:fs'
import { z } from 'zod'

const Robot = z.strictObject({
  name: z.string(),
  token: z.string(),
  /** Set when signing is on; begins with SEC. */
  secret: z.string().nullable(),
  /** A message must hold one of them; empty for no such check. */
  keywords: z.array(z.string()).max(10),
})

const CompanyShape = z.strictObject({
  name: z.string(),
  apps: z.array(
    z.strictObject({
      name: z.string(),
      clientId: z.string(),
      clientSecret: z.string(),
      robotCode: z.string(),
    }),
  ),
  users: z.array(z.strictObject({ userId: z.string(), name: z.string(), title: z.string() })),
  groups: z.array(
    z.strictObject({
      conversation: z.string(),
      name: z.string(),
      members: z.array(z.string()),
      robots: z.array(Robot),
    }),
  ),
})

/** A DingTalk organisation: its apps, people, groups and the custom robots in them. */
export type Company = Readonly<z.output<typeof CompanyShape>>

function readCompany(path: string | URL): Company {
  return CompanyShape.parse(JSON.parse(readFileSync(path, 'utf8')))
}

/** The company of the demo and of most tests. */
export const DEMO_COMPANY: Company = readCompany(new URL('./demo-company.json', import.meta.url))
