/** The line that every peer prints: what it took, and the memory of its process. */
export function report(figures) {
  console.log(JSON.stringify({ ...figures, peakRss: process.resourceUsage().maxRSS * 1024 }));
}
