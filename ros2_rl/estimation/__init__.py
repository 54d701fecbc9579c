"""The state of the base, from joints, IMU and feet alone."""



