#include "engine/cpu_count.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#ifdef __linux__
#include <sched.h>
#endif
#ifdef __APPLE__
#include <sys/sysctl.h>
#endif

namespace reward_model_score {
namespace {

#ifdef __linux__

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

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
      const std::string siblings = read_line(folder + "thread_siblings_list");
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

// The tightest limit on the way from this process's cgroup to the root (cgroup 2; a container sees its own as
// root).
double cgroup2_quota() {
  double limit = std::numeric_limits<double>::infinity();
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    if (line.rfind("0::", 0) != 0) continue;
    std::string path = line.substr(3);
    while (true) {
      limit = std::min(limit, quota_of_line(read_line("/sys/fs/cgroup" + path + "/cpu.max")));
      const size_t slash = path.find_last_of('/');
      if (path.empty() || slash == std::string::npos) break;
      path.resize(slash);
    }
  }
  return limit;
}

double cgroup1_quota() {
  const std::string quota = read_line("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  const std::string period = read_line("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  if (quota.empty() || quota[0] == '-') return std::numeric_limits<double>::infinity();
  return quota_of_line(quota + " " + period);
}

#endif

}  // namespace

int physical_cpu_count() {
  int count = 0;
#if defined(__linux__)
  count = cores_in_affinity_mask();
  const double quota = std::min(cgroup2_quota(), cgroup1_quota());
  if (std::isfinite(quota)) count = std::min(count, static_cast<int>(std::ceil(quota)));
#elif defined(__APPLE__)
  size_t size = sizeof(count);
  sysctlbyname("hw.physicalcpu", &count, &size, nullptr, 0);
#endif
  if (count <= 0) count = static_cast<int>(std::thread::hardware_concurrency());
  return std::max(count, 1);
}

}  // namespace reward_model_score
