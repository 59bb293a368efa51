/**
 * `THOROUGH=1` runs the long tests in full, as `verify` does. Without it they take a sample, so that `pnpm test` is over in
 * minutes. A sample of a list is the same in every run.
 */
const isThorough = process.env["THOROUGH"] === "1"

/** How many of something: all of them, or as many as are enough to find what breaks often. */
export const amount = (full: number, sample: number): number => isThorough ? full : sample

/** What repeats in a list does so after 2, 3, 4, 5 or 8 places: seven places on is always another kind. */
const stride = amount(1, 7)

/**
 * Where a sample begins and how it goes on. Each `series` begins elsewhere, so that seven of them leave nothing out. Of
 * what is long, every fifth is taken in full, and one of 41 in a sample.
 */
export const steps = (series: number, isLong = false): { readonly first: number; readonly step: number } => {
  const step = isLong ? amount(5, 41) : stride
  return { first: series % step, step }
}

/** Of a list. A short one is taken whole. */
export const sample = <A>(list: ReadonlyArray<A>, series: number): ReadonlyArray<A> =>
  list.length <= stride ? list : list.filter((_, index) => index % stride === series % stride)
