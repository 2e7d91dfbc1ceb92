#include "engine/cgroup.h"

#include <fstream>
#include <sstream>

namespace reward_model_score {
namespace {

bool names(const std::string& controllers, const std::string& controller) {
  std::istringstream list(controllers);
  for (std::string name; std::getline(list, name, ',');)
    if (name == controller) return true;
  return controllers == controller;
}

}  // namespace

std::vector<std::string> cgroup_folders(const std::string& controller) {
  const std::string mount = controller.empty() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/" + controller;
  std::vector<std::string> folders;
  std::ifstream groups("/proc/self/cgroup");
  // "4:memory:/path", and "0::/path" for cgroup 2.
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos || !names(line.substr(first + 1, second - first - 1), controller))
      continue;
    for (std::string path = line.substr(second + 1);; path.resize(path.rfind('/'))) {
      if (path == "/") path.clear();
      folders.push_back(mount + path);
      if (path.rfind('/') == std::string::npos) break;
    }
  }
  return folders;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace reward_model_score
