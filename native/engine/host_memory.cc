#include "engine/host_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "engine/cgroup.h"

#if defined(__APPLE__)
#include <mach/mach.h>
#include <sys/sysctl.h>
#elif defined(_WIN32)
#include <windows.h>
#endif

namespace reward_model_score {
namespace {

#ifdef __linux__

// Of lines such as "MemTotal:  24683652 kB" or "inactive_file 4096"; 0 if there is none of that name.
int64_t field(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string key;
    int64_t value = 0;
    if (words >> key >> value && key == name) return value;
  }
  return 0;
}

// A group without a limit says "max", or a number beyond all memory.
int64_t number(const std::string& path) {
  std::istringstream line(first_line(path));
  int64_t value = 0;
  return line >> value ? value : std::numeric_limits<int64_t>::max();
}

struct GroupFiles {
  const char* controller;
  const char* limit;
  const char* usage;
  const char* inactive_file;  // in memory.stat: cached files that go first when memory is needed
};

constexpr GroupFiles kGroupFiles[] = {
    {"", "memory.max", "memory.current", "inactive_file"},
    {"memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
};

#endif

Memory machine_memory() {
#if defined(__linux__)
  constexpr int64_t kKilobyte = 1024;
  return {kKilobyte * field("/proc/meminfo", "MemTotal:"),
          kKilobyte * field("/proc/meminfo", "MemAvailable:")};
#elif defined(__APPLE__)
  Memory memory;
  size_t size = sizeof(memory.total);
  sysctlbyname("hw.memsize", &memory.total, &size, nullptr, 0);
  vm_statistics64_data_t pages{};
  mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
  host_statistics64(mach_host_self(), HOST_VM_INFO64, reinterpret_cast<host_info64_t>(&pages), &count);
  memory.free =
      (static_cast<int64_t>(pages.free_count) + pages.inactive_count) * static_cast<int64_t>(vm_page_size);
  return memory;
#elif defined(_WIN32)
  MEMORYSTATUSEX status{};
  status.dwLength = sizeof(status);
  GlobalMemoryStatusEx(&status);
  return {static_cast<int64_t>(status.ullTotalPhys), static_cast<int64_t>(status.ullAvailPhys)};
#else
#error "host_memory() is not written for this system"
#endif
}

}  // namespace

Memory host_memory() {
  Memory memory = machine_memory();
#ifdef __linux__
  for (const GroupFiles& files : kGroupFiles) {
    for (const std::string& folder : cgroup_folders(files.controller)) {
      const int64_t limit = number(folder + "/" + files.limit);
      if (limit >= memory.total) continue;
      const int64_t used =
          number(folder + "/" + files.usage) - field(folder + "/memory.stat", files.inactive_file);
      memory = {limit, std::clamp(limit - used, int64_t{0}, memory.free)};
    }
  }
#endif
  return memory;
}

}  // namespace reward_model_score
