// An empty directory for the running test.

#ifndef RCNN_TRAINING_TESTING_FRESH_DIRECTORY_H_
#define RCNN_TRAINING_TESTING_FRESH_DIRECTORY_H_

#include <string>

namespace rcnn::training {

// Creates it, after deleting the remains of earlier runs.
std::string FreshDirectory();

}  // namespace rcnn::training

#endif  // RCNN_TRAINING_TESTING_FRESH_DIRECTORY_H_
