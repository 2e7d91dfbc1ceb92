#pragma once

#include <string>
#include <vector>

namespace reward_model_score {

// Folders with the limits that hold for this process: that of its cgroup and those of all above it. Empty
// where there is no Linux. `controller` is one of cgroup 1 ("memory", "cpu"), or "" for cgroup 2. A container
// sees its own group as the root.
std::vector<std::string> cgroup_folders(const std::string& controller);

// Empty if the file is not there.
std::string first_line(const std::string& path);

}  // namespace reward_model_score
