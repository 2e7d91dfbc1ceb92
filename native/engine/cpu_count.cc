#include "engine/cpu_count.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "engine/cgroup.h"

#ifdef __linux__
#include <sched.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace reward_model_score {
namespace {

#ifdef __linux__

// Hyper-threads of one core share its vector units, so each core of the affinity mask counts once.
int cores_in_affinity_mask() {
  // Large enough for 8192 processors; a fixed cpu_set_t fails with EINVAL on machines with more than 1024.
  constexpr int kProcessors = 8192;
  cpu_set_t* mask = CPU_ALLOC(kProcessors);
  const size_t size = CPU_ALLOC_SIZE(kProcessors);
  CPU_ZERO_S(size, mask);
  std::set<std::string> cores;
  if (sched_getaffinity(0, size, mask) == 0) {
    for (int cpu = 0; cpu < kProcessors; ++cpu) {
      if (!CPU_ISSET_S(cpu, size, mask)) continue;
      const std::string folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
      const std::string siblings = first_line(folder + "thread_siblings_list");
      cores.insert(siblings.empty() ? std::to_string(cpu) : siblings);
    }
  }
  CPU_FREE(mask);
  return static_cast<int>(cores.size());
}

// "max 100000" or "150000 100000": microseconds of processor time a period.
double quota_of_line(const std::string& line) {
  std::istringstream fields(line);
  std::string quota;
  double period = 0;
  if (!(fields >> quota >> period) || quota == "max" || period <= 0)
    return std::numeric_limits<double>::infinity();
  try {
    return std::stod(quota) / period;
  } catch (const std::exception&) {
    return std::numeric_limits<double>::infinity();
  }
}

// The tightest limit on the way from this process's cgroup to the root.
double cgroup_quota() {
  double limit = std::numeric_limits<double>::infinity();
  for (const std::string& folder : cgroup_folders("")) {
    limit = std::min(limit, quota_of_line(first_line(folder + "/cpu.max")));
  }
  for (const std::string& folder : cgroup_folders("cpu")) {
    const std::string quota = first_line(folder + "/cpu.cfs_quota_us");
    if (quota.empty() || quota[0] == '-') continue;
    limit = std::min(limit, quota_of_line(quota + " " + first_line(folder + "/cpu.cfs_period_us")));
  }
  return limit;
}

#endif

}  // namespace

int physical_cpu_count() {
  int count = 0;
#if defined(__linux__)
  count = cores_in_affinity_mask();
  const double quota = cgroup_quota();
  if (std::isfinite(quota)) count = std::min(count, static_cast<int>(std::ceil(quota)));
#elif defined(__APPLE__)
  size_t size = sizeof(count);
  sysctlbyname("hw.physicalcpu", &count, &size, nullptr, 0);
#endif
  if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(count, 1);
}

}  // namespace reward_model_score
